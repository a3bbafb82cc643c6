//! With a vault that can be read but not written, every command that writes fails, reports it, and
//! changes nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Template, files, filled, integrity, len, lost};
use crate::import::{export, lobechat};
use crate::sandbox::{Change, Ran, Sandbox, audit_key, credential};

const ROWS: u64 = 30;
/// The owner of the vault if the tests run as root, because root may write whatever the mode says.
const NOBODY: u32 = 65_534;

/// A vault of a user other than root, the program in a place that this user can reach, and lines to
/// import.
struct Theirs {
    sandbox: Sandbox,
    is_root: bool,
    export: String,
}

impl Theirs {
    fn new(template: &Template) -> Self {
        let sandbox = template.sandbox();
        let old = lobechat();
        let export = export(&sandbox, (100..110).map(|n| old.line(n)));
        let is_root = fs::metadata(sandbox.db()).unwrap().uid() == 0;
        // Copied by `cp`: see `a_read_only_database_is_13_and_stays_as_it_is`.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_byok-vault")).arg(sandbox.path("byok-vault"));
        assert!(copy.status().unwrap().success());
        if is_root {
            for path in [sandbox.directory.path(), &sandbox.db(), export.as_ref()] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        Self { sandbox, is_root, export }
    }

    /// Runs a command as the owner of the vault.
    fn run(&self, keys: &Change, arguments: &[&str], input: &[u8]) -> Ran {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|&argument| if argument == "FILE" { self.export.as_str() } else { argument })
            .collect();
        let known = self.sandbox.command(Some(&keys.both), &arguments);
        let mut command = Command::new(self.sandbox.path("byok-vault"));
        command
            .args(known.get_args())
            .env("SEALWAX_KEYS", &keys.both.0)
            .env("SEALWAX_AUDIT_KEY", audit_key());
        command.env("OLD_KEY", lobechat().key).current_dir("/");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        self.sandbox.finish(command, input)
    }
}

/// Returns each command that writes, its input, and its exit code if it can write.
fn writing() -> [(Vec<&'static str>, String, i32); 9] {
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    [
        (words("rotate"), String::new(), 0),
        (words("rotate --batch-size 1"), String::new(), 0),
        (words("put --tenant tenant-50 --provider openai"), credential(50), 0),
        (words("put --replace --tenant tenant-5 --provider openai"), credential(51), 0),
        (words("delete --tenant tenant-6 --provider openai"), String::new(), 0),
        // Whoever cannot be recorded opens nothing.
        (words("audit"), String::new(), 0),
        (words("run --tenant tenant-5 --provider openai -- true"), String::new(), 0),
        (words("reseal old --dry-run"), String::new(), 0),
        (words("import --key-env OLD_KEY --layout lobechat FILE"), String::new(), 0),
    ]
}

#[test]
fn no_command_writes_to_a_database_that_is_read_only() {
    let template = Template::new(ROWS);
    let keys = &template.keys;
    let (mut refused, mut done) = (0, 0);
    for (arguments, input, code) in writing() {
        // A read-only file, a read-only directory, and both.
        for (file, directory) in [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555)] {
            let at = format!("{arguments:?} with {file:o} in {directory:o}");
            let theirs = Theirs::new(&template);
            let set = |file, directory| {
                let sandbox = &theirs.sandbox;
                fs::set_permissions(sandbox.db(), Permissions::from_mode(file)).unwrap();
                fs::set_permissions(sandbox.directory.path(), Permissions::from_mode(directory))
                    .unwrap();
            };
            set(file, directory);
            let before = files(&theirs.sandbox);
            let ran = theirs.run(keys, &arguments, input.as_bytes());
            assert_eq!((ran.code, ran.stdout.as_str()), (13, ""), "{at}: {ran:#?}");
            assert!(ran.stderr.contains("write"), "{at}: {ran:#?}");
            assert!(!ran.stderr.contains("restore"), "{at}: {ran:#?}");
            assert_eq!(files(&theirs.sandbox), before, "{at}");
            assert!(fs::read(theirs.sandbox.db()).unwrap() == template.database, "{at}");
            assert_eq!(len(&theirs.sandbox.path("vault.db-wal")), 0, "{at}");
            refused += 1;

            // Control: the same command works when the user has write access.
            set(0o644, 0o755);
            let lost = || lost(&theirs.sandbox, &keys.both, filled(ROWS));
            assert_eq!((lost(), integrity(&theirs.sandbox)), (0, "ok".to_owned()), "{at}");
            let _ = theirs.run(keys, &arguments, input.as_bytes()).expect_code(code);
            assert!(fs::read(theirs.sandbox.db()).unwrap() != template.database, "{at}");
            done += 1;
        }
    }
    println!(
        "faults: read-only: {refused} commands refused, {done} done with write access, 0 lost"
    );
    assert_eq!((refused, done), (9 * 3, 9 * 3));
}

/// There is no vault yet, and none can be created.
#[test]
fn nothing_is_made_in_a_directory_that_is_read_only() {
    let template = Template::new(ROWS);
    let theirs = Theirs::new(&template);
    fs::remove_file(theirs.sandbox.db()).unwrap();
    let set = |mode| {
        let directory = theirs.sandbox.directory.path();
        fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
    };
    let key = theirs.sandbox.path("keys.txt");
    let keygen = ["keygen", "prod", "--out", key.to_str().unwrap()];
    let put = ["put", "--tenant", "tenant-0", "--provider", "openai"];
    let import = ["import", "--key-env", "OLD_KEY", "--layout", "lobechat", "FILE"];
    let before = files(&theirs.sandbox);
    set(0o555);
    for arguments in [&keygen[..], &put, &import] {
        theirs
            .run(&template.keys, arguments, credential(0).as_bytes())
            .expect_code(7)
            .expect_in_stderr("creating")
            .expect_in_stderr("Permission denied");
        assert_eq!(files(&theirs.sandbox), before);
    }
    set(0o755);
    for arguments in [&keygen[..], &put, &import] {
        theirs.run(&template.keys, arguments, credential(0).as_bytes()).expect_code(0);
    }
    assert_eq!(lost(&theirs.sandbox, &template.keys.both, [(0, 0), (100, 100), (109, 109)]), 0);
}
