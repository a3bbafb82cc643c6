//! Envelopes that a column cut off, or with text around them.

use super::{cut_at, named, repaired};

// a cut column at another size.

/// Oracle's EBS has VARCHAR2(240), others 191 (utf8mb4), 320 (an e-mail address) or 512; a form of a console shows 255
/// characters and three points. "Something overwrote the row" would let the next write be cut as well.
#[test]
fn a_column_of_191() {
    cut_at(191, "");
}

#[test]
fn a_column_of_240() {
    cut_at(240, "");
}

#[test]
fn a_column_of_320() {
    cut_at(320, "");
}

#[test]
fn a_column_of_512() {
    cut_at(512, "");
}

#[test]
fn a_console_that_shows_255_characters_and_three_points() {
    cut_at(255, "...");
}

// text around an envelope.

/// Copied from a web page.
#[test]
fn a_no_break_space() {
    repaired(|envelope| format!("{envelope}\u{a0}"));
}

/// A field in quotes, in a field in quotes.
#[test]
fn quotes_that_csv_doubled() {
    repaired(|envelope| format!("\"\"{envelope}\"\""));
}

/// `CONVERT(VARCHAR(MAX), …, 1)`.
#[test]
fn hex_in_upper_case_as_sql_server_prints_it() {
    repaired(|envelope| {
        envelope.bytes().fold("0x".to_owned(), |hex, byte| hex + &format!("{byte:02X}"))
    });
}

/// A column of fixed size, filled by a C program. `repair --trim` repairs it, but `audit` says that something overwrote the row, and to store the credential again.
#[test]
fn nul_bytes_behind_it() {
    repaired(|envelope| format!("{envelope}\0\0\0\0"));
}

/// `N'…'`. The message says "`repair --trim` takes that away", also the message of `repair --trim`, which does not.
#[test]
fn a_literal_of_sql_server() {
    repaired(|envelope| format!("N'{envelope}'"));
}

/// `="…"` keeps Excel from changing a text. The same as with `N'…'`.
#[test]
fn a_formula_of_excel() {
    repaired(|envelope| format!("=\"{envelope}\""));
}

/// From a list in SQL or JSON.
#[test]
fn a_comma_behind_it() {
    named(|envelope| format!("{envelope},"), &["around the envelope"]);
}

/// From a document.
#[test]
fn typographic_quotes_around_it() {
    named(
        |envelope| format!("\u{201c}{envelope}\u{201d}"),
        &["around the envelope", "outside ASCII"],
    );
}

/// From a chat. `TRIM` in SQL does not remove it, and no editor shows it.
#[test]
fn a_zero_width_space_before_it() {
    named(
        |envelope| format!("\u{200b}{envelope}"),
        &["around the envelope", "invisible", "outside ASCII"],
    );
}

/// A mail, or `base64`'s habit, wrapped the text: no character is lost, and "something overwrote the row" is wrong.
#[test]
fn lines_of_76_characters() {
    named(
        |envelope| {
            envelope
                .as_bytes()
                .chunks(76)
                .map(|part| String::from_utf8(part.to_vec()).unwrap())
                .collect::<Vec<_>>()
                .join("\n")
        },
        &["line break", "line feed", "white space"],
    );
}

/// A tool stored the whole JSON. The remedy is not `repair`, but to take the member out.
#[test]
fn an_object_around_it() {
    named(|envelope| format!("{{\"envelope\":\"{envelope}\"}}"), &["JSON"]);
}
