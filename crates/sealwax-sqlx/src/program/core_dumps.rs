//! Core dumps, which would hold keys and credentials.

/// Forbids core dumps of this process.
#[cfg(unix)]
pub(crate) fn forbid() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    // Setting a limit that is not above the maximum does not fail, and the program works without it.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) });
    // The limit does not hold for a handler such as systemd-coredump. This does, and it closes the process's files in
    // /proc to other processes of the user.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(not(unix))]
pub(crate) const fn forbid() {}
