//! Finds the envelope in a text that tools put something around, rewrote or cut off.
//!
//! The reports and `repair` share these functions, so that `repair` removes everything that a report calls
//! "around the envelope". A text is read layer by layer: each layer is the one before it without one way in
//! which tools rewrite texts.

use std::iter;

use sealwax::triplet::Encoding;
use sealwax::{Envelope, Suite};

use crate::formatting::is_invisible;

const PREFIX: &str = "sw1:";

/// The number of `:` in an envelope.
const SEPARATORS: usize = 6;

/// The most layers that are taken away: a text can be rewritten any number of times.
const LAYERS: usize = 8;

/// The words that programs write before a text: the letters of literals.
///
/// Any other word next to an envelope may be worth keeping, so nothing is removed then.
const WORDS: [&str; 17] =
    ["b", "B", "e", "E", "n", "N", "q", "Q", "r", "R", "u", "U", "x", "X", "0x", "0X", "utf8mb4"];

/// How programs mark that they show only the start of a text.
const ELLIPSES: [&str; 3] = ["...", "\u{2026}", "truncated"];

/// An envelope, and what was around it.
pub(crate) struct Inside {
    pub(crate) envelope: String,
    /// What was around the envelope or inside it, for a message.
    pub(crate) found: &'static str,
}

/// Returns the envelope that is left if everything is taken away that programs add to a text.
pub(crate) fn envelope_inside(text: &str) -> Option<Inside> {
    layers(text).find_map(|(layer, found)| {
        // Before another one, there would be an envelope, which is not nothing.
        let [before, envelope, after] = envelopes(&layer).next()?;
        if !adds_nothing(before) || !ends_nothing(after) {
            return None;
        }
        let is_unseen = |c: char| c.is_whitespace() || is_invisible(c);
        let found = match found {
            AROUND if before.chars().chain(after.chars()).all(is_unseen) => UNSEEN,
            found => found,
        };
        Some(Inside { envelope: envelope.to_owned(), found })
    })
}

/// Returns whether there is an envelope among other text, which may be worth keeping.
pub(crate) fn has_envelope(text: &str) -> bool {
    layers(text).any(|(layer, _)| envelopes(&layer).next().is_some())
}

/// Returns after how many characters a text ends, if it begins as an envelope and ends too early.
pub(crate) fn cut_after(text: &str) -> Option<usize> {
    let is_cut = text.len() > 1 && PREFIX.starts_with(text)
        || layers(text).any(|(layer, _)| {
            layer.find(PREFIX).and_then(|at| layer.split_at_checked(at)).is_some_and(
                |(before, rest)| {
                    let rest = rest.trim_end_matches(is_closing);
                    adds_nothing(before) && (has_ellipsis(rest) || is_start(rest))
                },
            )
        });
    is_cut.then(|| {
        let end = ELLIPSES.iter().filter_map(|mark| text.find(mark)).min();
        end.and_then(|end| text.get(..end)).unwrap_or(text).chars().count()
    })
}

const AROUND: &str = "characters that a program adds to a text, such as quotes";
const UNSEEN: &str = "white space or invisible characters";
const HEX: &str = "hex";
const BASE64: &str = "base64";
const ESCAPES: &str = "escaped characters";
const WRAPPED: &str = "line breaks or other white space inside";

/// Returns the text, and then layer by layer what is below, with the name of what was taken away last.
fn layers(text: &str) -> impl Iterator<Item = (String, &'static str)> {
    let below = |(text, _): &(String, &'static str)| {
        let of = |found| move |layer| (layer, found);
        (from_hex(text).map(of(HEX)))
            .or_else(|| from_base64(text).map(of(BASE64)))
            .or_else(|| unescaped(text).map(of(ESCAPES)))
            .or_else(|| unwrapped(text).map(of(WRAPPED)))
    };
    iter::successors(Some((text.to_owned(), AROUND)), below).take(LAYERS + 1)
}

/// Returns each envelope in a text, between what is before it and what is after it.
fn envelopes(text: &str) -> impl Iterator<Item = [&str; 3]> {
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        let (last, _) = rest.match_indices(':').nth(SEPARATORS - 1)?;
        let is_end = |&(at, c): &(usize, char)| at > last && !is_base64url(c);
        let end = rest.char_indices().find(is_end).map_or(rest.len(), |(at, _)| at);
        let (envelope, after) = rest.split_at_checked(end)?;
        envelope.parse::<Envelope>().is_ok().then_some([before, envelope, after])
    })
}

fn adds_nothing(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    // What is shown without its end is not the envelope, although it may parse as one.
    !has_ellipsis(text) && words.all(|word| word.is_empty() || WORDS.contains(&word))
}

/// Returns the same for what is after a text, where the letter of a literal is the last line of a wrapped text.
fn ends_nothing(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && !is_base64url(c));
    !has_ellipsis(text) && words.all(|word| matches!(word, "" | "text" | "varchar"))
}

fn has_ellipsis(text: &str) -> bool {
    ELLIPSES.iter().any(|mark| text.contains(mark))
}

/// Returns whether a text, which is no envelope, is the start of one.
fn is_start(text: &str) -> bool {
    let mut fields = text.split(':').skip(1);
    let suites = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
    let has_suite = match (fields.next(), fields.next()) {
        (Some(suite), None) => suites.iter().any(|known| known.as_str().starts_with(suite)),
        (Some(suite), Some(_)) => suites.iter().any(|known| known.as_str() == suite),
        (None, _) => false,
    };
    // The last group of four characters may lack some, or end in bits that no whole envelope has there.
    let is_completed =
        || ["A", "AA"].iter().any(|end| [text, end].concat().parse::<Envelope>().is_ok());
    has_suite
        && text.chars().all(is_of_envelope)
        && (text.matches(':').count() < SEPARATORS || is_completed())
}

fn is_base64url(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_of_envelope(c: char) -> bool {
    is_base64url(c) || matches!(c, ':' | ',' | '=' | '.' | '/' | '@')
}

/// Returns whether programs write such a character behind a text.
fn is_closing(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || "\"'`\\>])};,\u{201c}\u{201d}\u{2019}\u{bb}".contains(c)
}

/// Returns the longest run of such characters, if nothing of worth is around it.
fn longest_run(text: &str, is_in_run: impl Fn(char) -> bool) -> Option<&str> {
    let run = text.split(|c| !is_in_run(c)).max_by_key(|run| run.len())?;
    let (before, after) = text.split_once(run)?;
    (adds_nothing(before) && ends_nothing(after)).then_some(run)
}

/// Decodes bytes as databases print them: `\x…`, `0x…` or `X'…'`, in one line or several.
fn from_hex(text: &str) -> Option<String> {
    let line: String = text.split_whitespace().collect();
    let digits = longest_run(&line, |c| c.is_ascii_hexdigit()).filter(|run| !run.is_empty())?;
    String::from_utf8(Encoding::HexAnyCase.decode(digits).ok()?).ok()
}

fn from_base64(text: &str) -> Option<String> {
    let run = longest_run(text, |c| is_base64url(c) || matches!(c, '+' | '/'))?;
    // Other texts that happen to be base64 are not decoded.
    let run = run.starts_with("c3cx").then(|| run.replace('+', "-").replace('/', "_"))?;
    String::from_utf8(Encoding::Base64Url.decode(&run).ok()?).ok()
}

/// Removes one level of the escapes of JSON, URLs, HTML and programming languages.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = text.to_owned();
    for (mark, digits) in [("\\u", 4), ("\\x", 2), ("%", 2)] {
        plain = without_codes(&plain, mark, digits);
    }
    let names = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", " "),
        ("&#x3D;", "="),
        ("&#61;", "="),
        ("&#x2F;", "/"),
        ("&#47;", "/"),
        ("&amp;", "&"),
        ("\\n", " "),
        ("\\r", " "),
        ("\\t", " "),
        ("\\0", " "),
        ("\\", ""),
    ];
    for (name, character) in names {
        plain = plain.replace(name, character);
    }
    (plain != text).then_some(plain)
}

/// Replaces each mark with a hexadecimal code after it by the character of the code.
fn without_codes(text: &str, mark: &str, digits: usize) -> String {
    let mut pieces = text.split(mark);
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.split_at_checked(digits).and_then(|(code, rest)| {
            Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, rest))
        });
        if let Some((character, rest)) = code {
            plain.push(character);
            plain.push_str(rest);
        } else {
            plain.push_str(mark);
            plain.push_str(piece);
        }
    }
    plain
}

/// Joins the lines of a text that a mail, a terminal or a console of a database wrapped.
fn unwrapped(text: &str) -> Option<String> {
    let mut joined = text.replace('\r', "").replace("+\n", "\n").replace("\n> ", "\n");
    // Quoted-printable, as in mails. Without an escaped = it is not, and = may be the one after a key id.
    if joined.contains("=\n") && joined.contains("=3D") {
        joined = joined.replace("=\n", "").replace("=3D", "=");
    }
    joined.retain(|c| !c.is_whitespace() && !is_invisible(c));
    (joined != text).then_some(joined)
}

#[cfg(test)]
mod tests;
