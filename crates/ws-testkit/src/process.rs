//! What the system tells about a process: CPU time, memory, descriptors, and the time of each of its threads.
//!
//! Read from /proc, so only Linux has it. CPU times come in ticks, mostly of 10 ms.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// A process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Bytes of resident memory.
    pub(crate) resident: u64,
    pub(crate) descriptors: u64,
    /// CPU time of each thread that lives.
    threads: BTreeMap<u32, Duration>,
}

/// What a process did between two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Used {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// CPU time of the thread that used most.
    pub(crate) busiest: Duration,
    /// Between the samples.
    pub(crate) elapsed: Duration,
    pub(crate) resident_before: u64,
    pub(crate) resident_after: u64,
    pub(crate) descriptors: u64,
}

impl Used {
    /// User and system time together.
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// The share of the time that the busiest thread was running, 0 to 1.
    pub(crate) fn busiest_share(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        (self.busiest.as_secs_f64() / self.elapsed.as_secs_f64()).min(1.0)
    }
}

/// The process as it is now.
///
/// # Errors
/// When /proc does not tell: no such process, not ours, or no Linux.
pub(crate) fn sample(pid: u32) -> io::Result<Sample> {
    let (user, system) = times(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end while the list is read.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Ok(thread) = entry.file_name().to_string_lossy().parse() {
            let (user, system) = times(&stat)?;
            threads.insert(thread, user + system);
        }
    }
    Ok(Sample {
        user,
        system,
        resident: resident(pid)?,
        descriptors: descriptors(pid).unwrap_or_default(),
        threads,
    })
}

impl Sample {
    /// What was used from this moment to a later one.
    pub(crate) fn until(&self, later: &Self, elapsed: Duration) -> Used {
        let busiest = later.threads.iter().map(|(thread, time)| {
            let before = self.threads.get(thread).copied().unwrap_or_default();
            time.saturating_sub(before)
        });
        Used {
            user: later.user.saturating_sub(self.user),
            system: later.system.saturating_sub(self.system),
            busiest: busiest.max().unwrap_or_default(),
            elapsed,
            resident_before: self.resident,
            resident_after: later.resident,
            descriptors: later.descriptors,
        }
    }
}

/// User and system time in a `stat` line: the fields 14 and 15. The name, field 2, may hold blanks and brackets.
fn times(stat: &str) -> io::Result<(Duration, Duration)> {
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let mut fields = after_name.unwrap_or_default().split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (Some(user), Some(system)) = (next(), next()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "unexpected text in /proc",
        ));
    };
    Ok((ticks(user), ticks(system)))
}

#[cfg(target_os = "linux")]
fn ticks(count: u64) -> Duration {
    let nanoseconds = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(count.saturating_mul(nanoseconds))
}

#[cfg(not(target_os = "linux"))]
fn ticks(count: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(10))
}

/// How many files the process has open.
///
/// # Errors
/// As [`sample`].
pub(crate) fn descriptors(pid: u32) -> io::Result<u64> {
    let folder = format!("/proc/{pid}/fd");
    // Since Linux 6.2 the folder's size is their number. To list a thousand of them takes most of a millisecond, in which
    // a server that watches itself answers nobody.
    match fs::metadata(&folder)?.len() {
        0 => Ok(fs::read_dir(folder)?.count() as u64),
        number => Ok(number),
    }
}

/// Bytes of resident memory.
///
/// `smaps_rollup` is exact. The counter in `status` may be off by some hundred kilobytes, and serves where the
/// exact one may not be read.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    match exact.ok().as_deref().and_then(|text| kibibytes(text, "Rss:")) {
        Some(bytes) => Ok(bytes),
        None => {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            Ok(kibibytes(&status, "VmRSS:").unwrap_or_default())
        }
    }
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 2 3 4 250 125 9 9 20 0 1 0 55";
        assert_eq!(times(stat).unwrap(), (ticks(250), ticks(125)));
        assert!(times("7 (a) S 1").is_err());
        assert!(times("").is_err());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kibibytes("Pss: 1 kB\nRss:    12 kB\n", "Rss:"), Some(12_288));
        assert_eq!(kibibytes("Pss: 1 kB\n", "Rss:"), None);
    }

    #[test]
    fn the_busiest_thread_is_that_of_the_time_between() {
        let second = Duration::from_secs(1);
        let before = Sample {
            threads: [(1, 9 * second), (2, second)].into(),
            ..Sample::default()
        };
        let after = Sample {
            user: 3 * second,
            threads: [(1, 10 * second), (2, 3 * second)].into(),
            ..Sample::default()
        };
        let used = before.until(&after, 4 * second);
        assert_eq!((used.busiest, used.cpu()), (2 * second, 3 * second));
        assert!((used.busiest_share() - 0.5).abs() < 1e-9);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_sampled_and_one_that_is_none_cannot() {
        let own = sample(std::process::id()).unwrap();
        assert!(own.resident > 0 && own.descriptors >= 3 && !own.threads.is_empty());
        assert!(sample(u32::MAX).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn descriptors_are_as_many_as_are_listed() {
        // Other tests open and close files meanwhile: a hundred of our own stand out.
        let own = std::process::id();
        let before = descriptors(own).unwrap();
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let open = descriptors(own).unwrap();
        let listed = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        assert!(open >= before + 50, "{before} and 100 more are not {open}");
        assert!(
            open.abs_diff(listed) < 50,
            "{open} are not the {listed} that are listed"
        );
        drop(files);
    }
}
