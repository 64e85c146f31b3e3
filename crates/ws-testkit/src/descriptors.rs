//! The limit of open files: raised as far as the process may, and compared with what a run of load needs.

/// Files that are open besides the connections: standard streams, pollers, what is read in /proc.
const OTHERS: u64 = 64;

/// Makes room for so many connections.
///
/// # Errors
/// What to tell the user, when there is no such room.
pub(crate) fn make_room(connections: usize) -> Result<(), String> {
    fits(connections, allowed(connections as u64 + OTHERS))
}

fn fits(connections: usize, allowed: Option<u64>) -> Result<(), String> {
    match allowed {
        Some(allowed) if allowed < connections as u64 + OTHERS => Err(format!(
            "{connections} connections need {} descriptors, and this process may open {allowed} \
             (ulimit -Hn); take fewer connections or raise the limit",
            connections as u64 + OTHERS
        )),
        _ => Ok(()),
    }
}

/// How many files may be open, after an attempt to have `wanted`; None for no limit.
#[cfg(unix)]
fn allowed(wanted: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let current = limit.current?;
    if wanted <= current {
        return Some(current);
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => Some(current),
    }
}

#[cfg(not(unix))]
fn allowed(_wanted: u64) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_connections_are_refused_with_the_numbers() {
        assert_eq!(fits(936, Some(1000)), Ok(()));
        assert_eq!(fits(usize::MAX >> 1, None), Ok(()));
        let refused = fits(937, Some(1000)).unwrap_err();
        assert!(
            refused.contains("937") && refused.contains("1001") && refused.contains("1000"),
            "{refused}"
        );
    }
}
