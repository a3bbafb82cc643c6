//! `repair --trim` removes what tools put around an envelope, and nothing else.

use std::collections::BTreeMap;

use byok_vault::repair;
use byok_vault::rotation::{Mode, rewrite};
use byok_vault::row::Row;
use byok_vault::row_fault::FaultKind;
use byok_vault::store::{Access, Store};
use indicatif::ProgressBar;
use rusqlite::Connection;
use sealwax::Envelope;
use serde_json::json;

use crate::sandbox::{Change, Sandbox, owner};

const RUN: [&str; 7] = ["run", "--tenant", "tenant-0", "--provider", "openai", "--", "true"];
const TRIM: [&str; 2] = ["repair", "--trim"];
const DRY_RUN: [&str; 3] = ["repair", "--trim", "--dry-run"];

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Damage that taking something away undoes, and how the message names it. From public reports of other
/// services.
fn around(envelope: &str) -> [(String, &'static str); 10] {
    [
        // From CHAR(400).
        (format!("{envelope:<400}"), "leading or trailing white space"),
        (format!("{envelope}\n"), "leading or trailing white space"),
        (format!("\u{feff}{envelope}"), "a byte order mark"),
        (json!(envelope).to_string(), "leading or trailing quotes"),
        (format!("b'{envelope}'"), "as Python prints bytes"),
        (format!("\\x{}", hex(envelope)), "as PostgreSQL prints bytes"),
        // From a spreadsheet.
        (format!("'{envelope}"), "leading or trailing quotes"),
        // The same kinds in other programs, and several at once.
        (format!("0x{}", hex(envelope).to_uppercase()), "as databases print bytes"),
        (format!("\"{}\"\r\n", envelope.replace('=', "\\u003d")), "leading or trailing quotes"),
        (format!("{envelope}\\n"), "\\n as two characters"),
    ]
}

#[test]
fn what_is_around_an_envelope_is_named_and_taken_away() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let envelope = sandbox.envelope(0);
    let mut repaired = 0;
    for (text, name) in around(&envelope) {
        sandbox.overwrite(0, &text);
        sandbox
            .vault(&keys.before, &RUN)
            .expect_code(12)
            .expect_in_stderr(name)
            .expect_in_stderr("repair --trim");
        sandbox
            .vault(&keys.before, &DRY_RUN)
            .expect_code(0)
            .expect_in_stdout("1 row would be repaired, 0 rows with nothing around the envelope");
        assert!(sandbox.envelope(0) == text, "a dry run writes nothing");
        sandbox
            .vault(&keys.before, &TRIM)
            .expect_code(0)
            .expect_in_stdout("1 row repaired, 0 rows with nothing around the envelope");
        assert_eq!(sandbox.envelope(0), envelope);
        sandbox.vault(&keys.before, &RUN).expect_code(0);
        sandbox
            .vault(&keys.before, &TRIM)
            .expect_code(0)
            .expect_in_stdout("0 rows repaired, 1 row with nothing around the envelope");
        repaired += 1;
    }
    assert_eq!(repaired, 10);
}

/// Returns the SQL for SQLite that the page *operations* has for something around an envelope.
fn sql_of_the_page(surrounding: &str) -> &'static str {
    const PAGE: &str = include_str!("../../../../src/docs/operations.md");
    let start = format!("| `{surrounding}`");
    let line = PAGE.lines().find(|line| line.starts_with(&start)).unwrap();
    let cells: Vec<_> = line.split(" | ").collect();
    let cell = cells[3].trim_end_matches(" |");
    let cell = if cell == "the same" { cells[2] } else { cell };
    let fence = if cell.starts_with("``") { "``" } else { "`" };
    cell.split(fence).nth(1).unwrap()
}

#[test]
fn the_sql_of_the_page_does_the_same() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let envelope = sandbox.envelope(0);
    let mut undone = 0;
    for (surrounding, text) in [
        ("WhiteSpace", format!("\t{envelope:<400}\r\n")),
        ("ByteOrderMark", format!("\u{feff}{envelope}")),
        ("Quotes", format!("\"{envelope}\"")),
        ("Quotes", format!("'{envelope}")),
        ("Quotes", format!("{envelope}`")),
        ("PythonBytes", format!("b'{envelope}'")),
        ("HexEscape", format!("\\x{}", hex(&envelope))),
        ("HexEscape", format!("0x{}", hex(&envelope).to_uppercase())),
        ("Json", json!({"id": 1, "envelope": envelope}).to_string()),
        ("Assignment", format!("export KEY={envelope}")),
        ("EscapedLineFeed", format!("{envelope}\\n")),
    ] {
        sandbox.overwrite(0, &text);
        let sql = format!("UPDATE credentials SET envelope = {}", sql_of_the_page(surrounding));
        let database = Connection::open(sandbox.db()).unwrap();
        assert_eq!(database.execute(&sql, []).unwrap(), 1);
        assert_eq!(sandbox.envelope(0), envelope, "{surrounding}");
        undone += 1;
    }
    assert_eq!(undone, 11);
}

#[test]
fn a_row_that_does_not_open_afterwards_is_left_and_listed() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 8);
    let good = sandbox.envelope(0);
    let bad = [
        (0, format!("{} ", good.to_lowercase())),
        (1, format!("\"{good}\"")),
        (2, format!(" {}", sandbox.envelope(2).replacen("old=", "odl=", 1))),
        (3, "\"sk-canary-unencrypted\"".to_owned()),
        (4, format!("'{}'", sandbox.envelope(4).get(..100).unwrap())),
        (5, format!("{{\"envelope\":\"{good}\"}}")),
    ];
    for (n, text) in &bad {
        sandbox.overwrite(*n, text);
    }
    sandbox.overwrite(6, &format!("{}\n", sandbox.envelope(6)));
    for (arguments, first_line) in [
        (&DRY_RUN[..], "1 row would be repaired, 1 row with nothing around the envelope\n"),
        (&TRIM, "1 row repaired, 1 row with nothing around the envelope\n"),
        (&TRIM, "0 rows repaired, 2 rows with nothing around the envelope\n"),
    ] {
        let ran = sandbox.vault(&keys.before, arguments).expect_code(14);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
        assert!(ran.stdout.contains("in another row's place\n"), "{ran:#?}");
        assert_eq!(ran.stdout.matches("    row ").count(), 6, "{ran:#?}");
    }
    for (n, text) in &bad {
        assert!(sandbox.envelope(*n) == *text, "row {n} was written");
    }
}

#[test]
fn it_needs_the_keyring_and_to_be_told_what_to_repair() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    sandbox.without_keys(&TRIM).expect_code(3);
    sandbox.vault(&keys.before, &["repair"]).expect_code(2).expect_in_stderr("--trim");
    // Without the row's key, nobody can say whether the row is right.
    let text = format!("{}\n", sandbox.envelope(0));
    sandbox.overwrite(0, &text);
    sandbox
        .vault(&keys.after, &TRIM)
        .expect_code(14)
        .expect_in_stdout("1 row left untouched: key not in the keyring");
    assert_eq!(sandbox.envelope(0), text);
}

#[test]
fn a_row_that_is_put_meanwhile_wins() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 4);
    for n in 0..4 {
        sandbox.overwrite(n, &format!("{}\n", sandbox.envelope(n)));
    }
    let put = sandbox.envelope(2).trim().to_owned();
    // A trigger plays the other writer: as soon as row 2 is written, it writes row 3.
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    Connection::open(sandbox.db())
        .unwrap()
        .execute_batch(&format!(
            "CREATE TRIGGER overtake AFTER UPDATE OF envelope ON credentials WHEN old.id = 2
             BEGIN UPDATE credentials SET envelope = '{put}' WHERE id = 3; END;"
        ))
        .unwrap();
    let keyring = keys.before.keyring();
    let trim = |_: &mut Store, page: &[Row]| {
        Ok(page.iter().map(|row| repair::trimmed(row, &keyring)).collect())
    };
    let bar = ProgressBar::hidden();
    let outcome = rewrite(&mut store, 500, Mode::Write, &bar, trim, |_| Ok(())).unwrap();
    assert_eq!((outcome.rewritten, outcome.current), (3, 1));
    assert!(outcome.is_complete());
    drop(store);
    Connection::open(sandbox.db()).unwrap().execute_batch("DROP TRIGGER overtake").unwrap();
    assert_eq!(sandbox.assert_rows_open(&keys.before), 4);
}

#[test]
fn killed_anywhere_the_next_run_finishes() {
    const ROWS: u64 = 600;
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, ROWS);
    let database = Connection::open(sandbox.db()).unwrap();
    let padded = "UPDATE credentials SET envelope = envelope || '    '";
    assert_eq!(database.execute(padded, []).unwrap(), 600);
    let left = || -> u64 {
        let sql = "SELECT count(*) FROM credentials WHERE envelope LIKE '% '";
        database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    };
    let mut kills = 0;
    loop {
        let before = left();
        let arguments = [&TRIM[..], &["--batch-size", "5"]].concat();
        let mut repair = sandbox.command(Some(&keys.before), &arguments).spawn().unwrap();
        while left() + 100 > before && repair.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        repair.kill().unwrap();
        if repair.wait().unwrap().success() {
            break;
        }
        assert_eq!(left() % 5, 0, "half a batch was written");
        kills += 1;
    }
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(left(), 0);
    assert_eq!(sandbox.assert_rows_open(&keys.before), ROWS);
}

/// A report must not advise `repair --trim` for what it leaves.
#[test]
fn what_is_called_around_the_envelope_is_what_repair_removes() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let (store, keyring) =
        (Store::open(&sandbox.db(), Access::Read).unwrap(), keys.before.keyring());
    let row = store.find(&owner(0)).unwrap().unwrap();
    let good = row.envelope.clone();
    let (start, end) = good.split_at(76);
    let pieces = [
        "", " ", "\0", "\n", "\u{200b}", "\u{feff}", "\"", "'", "`", "\u{201c}", "b'", "N'", "=\"",
        "E'", "x'", "\\x", "0x", "<", ">", "[", "{", ",", ";", "\\", "\\n", "&quot;", "%22", "...",
        "\u{2026}", "KEY=", "$", "/", "x", ":", "-", "1", "!", "sw1:",
    ];
    let mut kinds = BTreeMap::new();
    for before in pieces {
        for after in pieces {
            for text in [
                format!("{before}{good}{after}"),
                format!("{before}{}{after}", hex(&good)),
                format!("{before}{}{after}", good.replace('=', "\\u003d")),
                format!("{before}{start}\n{end}{after}"),
            ] {
                let row = Row { envelope: text.clone(), ..row.clone() };
                let Err(fault) = row.parse() else { continue };
                // What a character of an envelope follows is no longer the same envelope.
                let is_longer = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                let is_removed = matches!(repair::trimmed(&row, &keyring), Ok(Some(envelope)) if envelope == good);
                let is_around = fault.kind == FaultKind::Surrounded;
                assert!(
                    is_around == is_removed || is_longer,
                    "{before:?} {after:?} {:?}",
                    fault.kind
                );
                *kinds.entry(fault.kind).or_insert(0) += 1;
            }
        }
    }
    assert!(kinds[&FaultKind::Surrounded] > 1_000 && kinds.len() > 3, "{kinds:?}");
}

#[test]
fn an_envelope_cut_at_any_length_is_called_cut_and_a_tampered_one_is_not() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let whole = sandbox.seal(&keys.before, 0, &"0123456789abcdef".repeat(20));
    let (store, keyring) =
        (Store::open(&sandbox.db(), Access::Read).unwrap(), keys.before.keyring());
    let row = store.find(&owner(0)).unwrap().unwrap();
    let kind = |text: &str| {
        let row = Row { envelope: text.to_owned(), ..row.clone() };
        row.try_open(&keyring).map_or_else(|fault| fault.kind, |_| panic!("it opens"))
    };
    let (mut cut, mut altered) = (0, Vec::new());
    for length in 2..whole.len() {
        let cut_off = whole.get(..length).unwrap();
        match kind(cut_off) {
            FaultKind::Cut => cut += 1,
            FaultKind::Altered => altered.push(length),
            kind => panic!("{length}: {kind:?}"),
        }
        assert!(length < 4 || kind(&format!("{cut_off}...")) == FaultKind::Cut);
    }
    // The rest still parses, and no column has these lengths.
    assert!(cut > 400 && altered.len() > 50, "{cut}, {}", altered.len());
    assert!(
        altered.iter().all(|length| length % 10 != 0 && ![191, 255, 511, 512].contains(length))
    );

    // Whole, with another character: an incident, if it parses and its length is not that of a column.
    assert_eq!(whole.len(), 631);
    for at in 0..whole.len() {
        let (before, after) = whole.split_at(at);
        let other = if after.starts_with('A') { "B" } else { "A" };
        let text = format!("{before}{other}{}", after.get(1..).unwrap());
        if text.parse::<Envelope>().is_ok() {
            assert_ne!(kind(&text), FaultKind::Cut, "{at}");
        }
    }
}
