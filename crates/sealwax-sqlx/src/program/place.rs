//! Where envelopes are: `[schema.]table[:column[:key,...]]`.

use std::str::FromStr;

use sealwax_sqlx::{Table, TableError, Waived};
use sqlx::PgConnection;

/// Where envelopes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    schema: String,
    table: String,
    column: String,
    keys: Vec<String>,
}

impl Place {
    pub(crate) async fn find(&self, db: &mut PgConnection) -> Result<Table, TableError> {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        Table::find(db, &self.schema, &self.table, &keys, &self.column).await
    }

    /// Returns the place without its keys, as a person writes it.
    pub(crate) fn named(&self) -> String {
        written(&self.schema, &self.table, &self.column)
    }

    pub(crate) fn to_waived(&self) -> Waived {
        Waived::new(&self.schema, &self.table, &self.column)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let mut rest = text;
        let first = name(&mut rest)?;
        let (schema, table) =
            if next_is(&mut rest, '.') { (first, name(&mut rest)?) } else { ("public".to_owned(), first) };
        let column = if next_is(&mut rest, ':') { name(&mut rest)? } else { "envelope".to_owned() };
        let mut keys = Vec::new();
        if next_is(&mut rest, ':') {
            keys.push(name(&mut rest)?);
            while next_is(&mut rest, ',') {
                keys.push(name(&mut rest)?);
            }
        }
        if rest.is_empty() { Ok(Self { schema, table, column, keys }) } else { Err(EXPECTED) }
    }
}

/// Writes a place as it is read.
pub(crate) fn written(schema: &str, table: &str, column: &str) -> String {
    let name = |name: &str| match name.contains(SEPARATORS) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    };
    format!("{}.{}:{}", name(schema), name(table), name(column))
}

const SEPARATORS: [char; 4] = ['.', ':', ',', '"'];
const EXPECTED: &str = "expected [schema.]table[:column[:key,...]]";

fn next_is(rest: &mut &str, separator: char) -> bool {
    let after = rest.strip_prefix(separator);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// Takes a name from the front: up to a separator, or in double quotes, in which two of them stand for one.
fn name(rest: &mut &str) -> Result<String, &'static str> {
    let mut name = String::new();
    if next_is(rest, '"') {
        loop {
            let (part, after) = rest.split_once('"').ok_or("a double quote is missing")?;
            name.push_str(part);
            *rest = after;
            if !next_is(rest, '"') {
                break;
            }
            name.push('"');
        }
    } else {
        let end = rest.find(SEPARATORS).unwrap_or(rest.len());
        let (part, after) = rest.split_at_checked(end).ok_or(EXPECTED)?;
        name.push_str(part);
        *rest = after;
    }
    if name.is_empty() { Err(EXPECTED) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<(String, String, String, Vec<String>)> {
        let Place { schema, table, column, keys } = text.parse().ok()?;
        Some((schema, table, column, keys))
    }

    fn names(schema: &str, table: &str, column: &str, keys: &[&str]) -> Option<(String, String, String, Vec<String>)> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Some((schema.to_owned(), table.to_owned(), column.to_owned(), keys))
    }

    #[test]
    fn what_is_missing_is_the_usual() {
        assert_eq!(place("keys"), names("public", "keys", "envelope", &[]));
        assert_eq!(place("app.keys"), names("app", "keys", "envelope", &[]));
        assert_eq!(place("keys:sealed"), names("public", "keys", "sealed", &[]));
        assert_eq!(place("app.keys:sealed:id,tenant"), names("app", "keys", "sealed", &["id", "tenant"]));
    }

    #[test]
    fn names_in_quotes_have_any_character() {
        assert_eq!(place(r#""a.b"."c:d":"e,f":"g""h",Ü "#), names("a.b", "c:d", "e,f", &["g\"h", "Ü "]));
    }

    #[test]
    fn what_is_written_is_read() {
        for [schema, table, column] in [["public", "keys", "envelope"], ["a.b", "c:d", "e,\"f\""], ["a b", "Ü", "\""]]
        {
            assert_eq!(place(&written(schema, table, column)), names(schema, table, column, &[]));
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", ".", "a.", ".a", "a:", "a:b:", "a:b:c,", "a.b.c", "a:b:c:d", "a,b", "\"a", "a\"b\"", "\"\""] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
