//! Cores for the two sides: one for the server alone, the others for all that this process does to it.
//!
//! On shared cores a latency tells how the system divides them, not how the server divides what it has. With a
//! single core both sides run on it, and the report says so.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for the server, and those of the load.
#[derive(Debug, Clone)]
pub struct SoakCores {
    server: usize,
    load: CpuSet,
}

impl SoakCores {
    /// The number of the server's core, as the system counts.
    #[must_use]
    pub fn server(&self) -> usize {
        self.server
    }

    /// Sets one core aside for the server: the first that this thread may use. This thread keeps off it from now on, and
    /// so do all that it starts. None where there is no second core, or the system does not let us choose.
    #[must_use]
    pub fn divide() -> Option<Self> {
        let mut load = sched_getaffinity(None).ok()?;
        let server = (0..CpuSet::MAX_CPU).find(|core| load.is_set(*core))?;
        load.unset(server);
        if load.count() == 0 {
            return None;
        }
        sched_setaffinity(None, &load).ok()?;
        Some(Self { server, load })
    }

    /// Runs what starts the server: a process inherits the cores of the thread that starts it.
    pub(super) fn start_server<T>(&self, start: impl FnOnce() -> T) -> T {
        let mut alone = CpuSet::new();
        alone.set(self.server);
        // Both have been allowed before. Without the first the server is beside the load, and figures are only worse.
        let _ = sched_setaffinity(None, &alone);
        let started = start();
        let _ = sched_setaffinity(None, &self.load);
        started
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The cores on which a child process of this thread may run.
    fn cores_of_a_child() -> String {
        let output = Command::new("grep")
            .args(["Cpus_allowed_list", "/proc/self/status"])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    #[test]
    fn the_server_is_alone_on_its_core_and_all_others_keep_off_it() {
        let all = sched_getaffinity(None).unwrap();
        let Some(cores) = SoakCores::divide() else {
            assert_eq!(all.count(), 1, "with two cores they can be divided");
            return;
        };
        assert!(all.is_set(cores.server()));
        let own = sched_getaffinity(None).unwrap();
        assert!(!own.is_set(cores.server()));
        assert_eq!(own.count() + 1, all.count());
        let alone = cores.start_server(cores_of_a_child);
        assert_eq!(alone, format!("Cpus_allowed_list:\t{}\n", cores.server()));
        assert_eq!(sched_getaffinity(None).unwrap(), own);
        let other = std::thread::spawn(|| sched_getaffinity(None).unwrap());
        assert_eq!(other.join().unwrap(), own);
    }
}
