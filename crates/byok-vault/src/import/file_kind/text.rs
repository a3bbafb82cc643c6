//! Recognises the kind of a text by its first two lines.

use sealwax_import::json::{Object, ObjectError};

use super::FileKind;

/// How many objects may be around the rows, such as `{"hits":{"hits":[…]}}`.
const DEPTH: u8 = 3;

/// Returns the kind of the text, or `None` if it may be one JSON object per line.
///
/// One damaged line does not make the file one of another kind: where the first line could be such a
/// line, the second one must not be an object.
pub(super) fn kind(first: &str, second: &str) -> Option<FileKind> {
    let next = second.trim();
    let is_before_a_row = next.starts_with("{\"");
    if !is_before_a_row && first.contains("\u{1b}[") {
        return Some(FileKind::Coloured);
    }
    if !is_before_a_row && is_drawn(first, next) {
        return Some(FileKind::Drawn);
    }
    // Git marks a conflict with seven.
    if !is_before_a_row && first.starts_with('<') && !first.starts_with("<<<<<<<") {
        return Some(FileKind::Markup);
    }
    if !is_before_a_row && is_sql(first) {
        return Some(FileKind::Sql);
    }
    if !is_before_a_row && is_literal(first, next) {
        return Some(FileKind::Literals);
    }
    if let Some(inside) = first.strip_prefix('[') {
        let inside = inside.trim_start();
        let inside = if inside.is_empty() { next } else { inside };
        if inside.is_empty() || inside.starts_with(['{', '[', ']']) {
            return Some(FileKind::Array);
        }
        // A program may log in brackets above the rows.
        return (!is_before_a_row).then_some(FileKind::Unnamed);
    }
    if !is_before_a_row && is_yaml(first, second) {
        return Some(FileKind::Yaml);
    }
    let error = match Object::parse(first) {
        Ok(object) => return is_wrapped(&object, next).then_some(FileKind::Wrapped),
        Err(error) => error,
    };
    if first.starts_with('{') {
        let goes_on = error == ObjectError::Cut && !next.is_empty() && !next.starts_with('{');
        return goes_on.then_some(FileKind::Pretty);
    }
    // A JSON string may have commas too, and so may the header that MySQL prints above the rows.
    let is_delimited = !is_before_a_row && is_delimited(first, next);
    (is_delimited && error != ObjectError::NotAnObject).then_some(FileKind::Delimited)
}

fn is_sql(text: &str) -> bool {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let words = ["COPY", "INSERT", "CREATE", "SET", "BEGIN", "BEGIN;", "PRAGMA", "SELECT", "--"];
    words.iter().any(|sql| word.eq_ignore_ascii_case(sql)) || text.starts_with("/*")
}

/// Returns whether the lines are the start of a table, or of a record with a column on each line.
fn is_drawn(first: &str, next: &str) -> bool {
    let is_rule = |line: &str| {
        let is_dash = |character: &char| matches!(character, '-' | '=' | '─' | '━' | '═');
        let is_line = |character: char| {
            matches!(character, '+' | '|' | ' ' | ':' | '\u{2500}'..='\u{257f}')
                || is_dash(&character)
        };
        line.chars().all(is_line) && line.chars().filter(is_dash).count() >= 3 && line != "---"
    };
    is_rule(first)
        || (!first.starts_with('{') && is_rule(next))
        || (first.starts_with('|') && first.ends_with('|'))
        || first.starts_with("*****")
        || first.starts_with("-[ RECORD")
}

/// Returns whether a programming language printed the first line: `{'id': 1}`, `{id: 1}`, `{"id"=>1}`,
/// `(1, 'acme')` or `map[id:1]`.
fn is_literal(first: &str, next: &str) -> bool {
    let inside = first.trim_start_matches(['{', '[', ' ']);
    if inside.len() == first.len() {
        return ["('", "(\"", "map["].iter().any(|start| first.starts_with(start))
            || (first.starts_with('(') && first.trim_end_matches(',').ends_with(')'));
    }
    let is_object = first.trim_start_matches(['[', ' ']).starts_with('{');
    let inside = if inside.is_empty() { next } else { inside };
    let is_name = |character: char| character.is_ascii_alphabetic() || character == ':';
    inside.starts_with(['\'', '('])
        || is_object && (inside.starts_with(is_name) || has_arrow(inside))
}

/// Returns whether an arrow follows the first text in quotes.
fn has_arrow(text: &str) -> bool {
    let after = text.strip_prefix('"').and_then(|text| text.split_once('"'));
    after.is_some_and(|(_, after)| after.trim_start().starts_with("=>"))
}

/// `second` has the white space at its start.
fn is_yaml(first: &str, second: &str) -> bool {
    let is_key = |line: &str| {
        line.split_once(':').is_some_and(|(name, value)| {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            !name.is_empty()
                && name.chars().all(is_name)
                && matches!(value.get(..1), None | Some(" "))
        })
    };
    let starts = ["- ", "--- ", "%YAML"].iter().any(|start| first.starts_with(start));
    // An error message in the place of the rows may have a colon too.
    let goes_on = second.starts_with("  ") || second.starts_with("- ") || is_key(second.trim());
    starts || matches!(first, "-" | "---") || (is_key(first) && goes_on)
}

/// Returns whether the object, and the one on the next line, have rows in them and are none.
fn is_wrapped(object: &Object<'_>, next: &str) -> bool {
    let is_next = || Object::parse(next).is_ok_and(|object| has_rows(&object, DEPTH));
    has_rows(object, DEPTH) && (next.is_empty() || is_next())
}

fn has_rows(object: &Object<'_>, depth: u8) -> bool {
    let has =
        |object: &Object<'_>, name: &str| object.members().iter().any(|member| member.name == name);
    if ["id", "tenant", "provider", "quarantined"].iter().any(|name| has(object, name)) {
        return false;
    }
    object.members().iter().any(|member| {
        let array = member.text.strip_prefix('[');
        array.is_some_and(|inside| inside.trim_start().starts_with('{'))
            || depth.checked_sub(1).is_some_and(|depth| {
                Object::parse(member.text)
                    .is_ok_and(|inner| has(&inner, "tenant") || has_rows(&inner, depth))
            })
    })
}

fn is_delimited(first: &str, next: &str) -> bool {
    // Excel reads the delimiter from a first line of its own. JSON in CSV has doubled quotes.
    let is_csv = first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="))
        || [first, next].iter().any(|line| line.starts_with("\"{\"\""));
    is_csv
        || [',', ';', '\t', '|'].into_iter().any(|delimiter| {
            let count = |line: &str| line.matches(delimiter).count();
            count(first) > 0 && (next.is_empty() || count(first) == count(next))
        })
}
