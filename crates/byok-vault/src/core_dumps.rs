//! Core dumps, which would hold keys and credentials.

/// Forbids core dumps of this process, until [`allow_as_before`].
pub fn forbid() {
    #[cfg(unix)]
    limit::forbid();
}

/// Allows core dumps as when this process began, for the command that replaces it.
pub fn allow_as_before() {
    #[cfg(unix)]
    limit::allow_as_before();
}

#[cfg(unix)]
mod limit {
    use std::sync::OnceLock;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    static BEFORE: OnceLock<Rlimit> = OnceLock::new();

    // Setting a limit that is not above the maximum does not fail, and the program works without it.

    pub(super) fn forbid() {
        let before = BEFORE.get_or_init(|| getrlimit(Resource::Core));
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..*before });
        // The limit does not hold for a handler such as systemd-coredump. This does, and it closes the
        // process's files in /proc to other processes of the user. It ends when a command is executed.
        #[cfg(target_os = "linux")]
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }

    pub(super) fn allow_as_before() {
        if let Some(before) = BEFORE.get() {
            let _ = setrlimit(Resource::Core, *before);
        }
    }
}
