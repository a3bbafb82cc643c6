//! What the command of `run` sees, and what `run` returns.

use byok_vault::row::{Owner, Place, Row};
use byok_vault::store::{Access, Store};
use byok_vault::variables::LAST_WORDS;
use rusqlite::Connection;
use sealwax::Secret;

use crate::sandbox::{Keys, Sandbox};

const ACME: [&str; 4] = ["--tenant", "acme", "--provider", "openai"];

fn stored() -> (Sandbox, Keys) {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.put(&keys, &ACME, b"sk-canary-1").expect_code(0);
    (sandbox, keys)
}

fn run<'a>(options: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [&["run"], ACME.as_slice(), options, &["--"], command].concat()
}

#[test]
fn the_command_sees_the_credential_and_not_the_keyring() {
    let (sandbox, keys) = stored();
    let script = "test \"$OPENAI_API_KEY\" = sk-canary-1 && test -z \"${SEALWAX_KEYS+x}\" \
                  && test \"$1 $2\" = 'a b  c'";
    sandbox.vault(&keys, &run(&[], &["sh", "-c", script, "sh", "a", "b  c"])).expect_code(0);

    // The variable is also removed if the keyring came from a file.
    let file = sandbox.path("keys.txt");
    std::fs::write(&file, &keys.0).unwrap();
    let options = ["--keys-file", file.to_str().unwrap()];
    sandbox.vault(&keys, &run(&options, &["sh", "-c", script, "sh", "a", "b  c"])).expect_code(0);
}

#[test]
fn another_variable_can_be_named() {
    let (sandbox, keys) = stored();
    let script = "test \"$OTHER\" = sk-canary-1 && test -z \"${OPENAI_API_KEY+x}\"";
    let mut command =
        sandbox.command(Some(&keys), &run(&["--env", "OTHER"], &["sh", "-c", script]));
    command.env_remove("OPENAI_API_KEY");
    sandbox.finish(command, b"").expect_code(0);
    for name in ["SEALWAX_KEYS", "1A", "A-B", "", "A=B", "LD_PRELOAD", "PATH", "BASH_ENV"] {
        sandbox.vault(&keys, &run(&["--env", name], &["true"])).expect_code(2);
        let put = [&ACME[..], &["--replace", "--env", name]].concat();
        sandbox.put(&keys, &put, b"sk-canary-2").expect_code(2);
    }
}

/// Overwrites the variable of the row in the database, with nothing else than write access.
fn rename(sandbox: &Sandbox, name: &str) {
    let sql = "UPDATE credentials SET env_name = ?1";
    assert_eq!(Connection::open(sandbox.db()).unwrap().execute(sql, [name]).unwrap(), 1);
}

/// Seals the row with another variable, like somebody who also has the key.
fn seal(sandbox: &Sandbox, keys: &Keys, name: &str) {
    let owner = Owner { tenant: "acme".to_owned(), provider: "openai".to_owned(), label: None };
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let found = store.find(&owner).unwrap().unwrap();
    let place = Place { env_name: name.to_owned(), ..found.place };
    let envelope = place.seal(&keys.keyring(), &Secret::from("sk-canary-1")).unwrap();
    let writer = store.begin().unwrap();
    writer.replace(&Row { place, envelope, ..found }).unwrap();
    writer.commit().unwrap();
}

/// Names that programs obey, names that may be obeyed, and a text that is no name: the environment would
/// have the variable `LD_PRELOAD`.
const NOT_OF_A_CREDENTIAL: [&str; 8] = [
    "LD_PRELOAD",
    "NODE_OPTIONS",
    "PATH",
    "GIT_SSH_COMMAND",
    "LESSKEY",
    "DOCUMENT",
    "LD_PRELOAD=/nonexistent/x.so:X_KEY",
    "",
];

/// A variable that an earlier release accepted, or that somebody with the keyring stored.
#[test]
fn a_stored_variable_that_programs_may_obey_is_refused() {
    let (sandbox, keys) = stored();
    let mut refused = 0;
    for name in NOT_OF_A_CREDENTIAL {
        seal(&sandbox, &keys, name);
        let touched = sandbox.path("touched");
        let touch = ["touch", touched.to_str().unwrap()];
        sandbox
            .vault(&keys, &run(&[], &touch))
            .expect_code(6)
            .expect_in_stderr("does not have the name of a credential, so programs may obey it")
            .expect_in_stderr("run --env");
        assert!(!touched.exists());
        sandbox.vault(&keys, &run(&["--env", "OTHER"], &["true"])).expect_code(0);
        refused += 1;
    }
    assert_eq!(refused, 8);
}

#[test]
fn replacing_keeps_no_variable_that_somebody_else_may_have_chosen() {
    let (sandbox, keys) = stored();
    let replace = [&ACME[..], &["--replace"]].concat();
    let refused = |why: &str, code| {
        sandbox
            .put(&keys, &replace, b"sk-canary-2")
            .expect_code(code)
            .expect_in_stderr("the variable of the credential for tenant acme, provider openai")
            .expect_in_stderr(why)
            .expect_in_stderr("put --replace --env");
    };
    for name in NOT_OF_A_CREDENTIAL {
        rename(&sandbox, name);
        refused("it does not have the name of a credential", 6);
        seal(&sandbox, &keys, name);
        refused("it does not have the name of a credential", 6);
    }
    // It has the name of a credential, but of another one.
    rename(&sandbox, "STRIPE_SECRET_KEY");
    refused("the row does not open: ", 12);
    seal(&sandbox, &keys, "OTHER_KEY");
    sandbox
        .put(&keys, &replace, b"sk-canary-2")
        .expect_code(0)
        .expect_in_stdout("variable OTHER_KEY");
    rename(&sandbox, "LD_PRELOAD");
    let named = [&replace[..], &["--env", "OPENAI_API_KEY"]].concat();
    sandbox.put(&keys, &named, b"sk-canary-3").expect_code(0);
    let check = "test \"$OPENAI_API_KEY\" = sk-canary-3";
    sandbox.vault(&keys, &run(&[], &["sh", "-c", check])).expect_code(0);

    // The usual variable is what a new row would have, so the row need not open.
    let stranger = Keys::primary("stranger");
    sandbox.put(&stranger, &replace, b"sk-canary-4").expect_code(0);
}

#[test]
fn the_variable_of_a_new_row_has_the_name_of_a_credential() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    for name in NOT_OF_A_CREDENTIAL {
        let put = [&ACME[..], &["--env", name]].concat();
        sandbox.put(&keys, &put, b"sk-canary-1").expect_code(2);
    }
    assert!(!sandbox.db().exists());
    let help = sandbox.without_keys(&["import", "--help"]).expect_code(0).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (last, others) = LAST_WORDS.split_last().unwrap();
    let words = format!("{} or {last}", others.join(", "));
    assert!(help.contains(&words), "no {words:?} in --help");
}

#[test]
fn standard_streams_belong_to_the_command() {
    let (sandbox, keys) = stored();
    let script = "read line; echo \"out $line\"; echo \"err $line\" >&2";
    let command = sandbox.command(Some(&keys), &run(&[], &["sh", "-c", script]));
    let ran = sandbox.finish(command, b"hello\n").expect_code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out hello\n", "err hello\n"));
}

#[cfg(not(unix))]
#[test]
fn the_exit_code_is_the_commands() {
    let (sandbox, keys) = stored();
    for code in [0, 1, 7, 255] {
        sandbox.vault(&keys, &run(&[], &["cmd", "/c", &format!("exit {code}")])).expect_code(code);
    }
}
