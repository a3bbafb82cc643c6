//! Which columns with envelopes are found.

use sealwax::{Suite, WrapKind};
use sealwax_sqlx::{Finding, Table, Waived, find};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::head::envelope;
use crate::server::database;

#[tokio::test]
async fn envelopes_are_found_in_every_type_until_they_are_declared_or_waived() {
    let Some(db) = database().await else { return };
    let binary = envelope(Suite::ChaCha20Poly1305, &["old"], WrapKind::Local, 60, "sk");
    let [text, mut sql] = [binary.to_string(), String::new()];
    let hex: String = binary.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("decode('{hex}', 'hex')");
    let base64 = format!("translate(encode({bytes}, 'base64'), E'\\n', '')");
    let found = [
        ("t1", "text", format!("'{text}'")),
        ("t2", "varchar(1000)", format!("'in {text}, and more'")),
        ("t3", "char(1000)", format!("'{text}'")),
        ("t4", "json", format!(r#"'{{"a": ["{text}"]}}'"#)),
        ("t5", "jsonb", format!(r#"'{{"a": {{"b": "{text}"}}}}'"#)),
        ("t6", "xml", format!("'<a b=\"1\">{text}</a>'")),
        ("t7", "text[]", format!("ARRAY['x', '{text}']")),
        ("t8", "jsonb[]", format!(r#"ARRAY['{{"a": "{text}"}}'::jsonb]"#)),
        ("t9", "bytea", bytes.clone()),
        ("u1", "bytea[]", format!("ARRAY['x', {bytes}]")),
        ("u2", "text", base64.clone()),
        ("u3", "text", format!("'{hex}'")),
        ("u4", "text", format!("'\\x{hex}'")),
        ("u5", "json", format!("json_build_object('a', {base64})")),
        ("u6", "dom", format!("'{text}'")),
        ("u7", "dom[]", format!("ARRAY['{text}']::dom[]")),
        ("u8", "comp", format!("ROW({bytes}, 'x')::comp")),
        ("u9", "bytea", format!("'{text}'::bytea")),
        ("v1", "text COLLATE loose", format!("'{text}'")),
        ("v2", "jsonb", format!("to_jsonb({bytes})")),
    ];
    let not_found = [
        ("w1", "text", "'sw1: is a prefix, a256gcm a suite'".to_owned()),
        ("w2", "bytea", r"'\x5357010353570101'".to_owned()),
        ("w3", "text", "'xU1cBAQ 0535701010'".to_owned()),
        ("w4", "uuid", "'53570101-0000-0000-0000-000000000000'".to_owned()),
        ("w5", "bigint", "53570101".to_owned()),
        ("w6", "json", "NULL".to_owned()),
    ];
    let all: Vec<_> = found.iter().chain(&not_found).collect();
    let columns: Vec<_> = all.iter().map(|(name, of, _)| format!("{name} {of}")).collect();
    let values: Vec<_> = all.iter().map(|(.., value)| value.as_str()).collect();
    sql += "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false);
        CREATE DOMAIN dom AS text; CREATE TYPE comp AS (a bytea, b text); CREATE SCHEMA \"O\"\"ther\";";
    sql += &format!("CREATE TABLE \"O\"\"ther\".\"T\" (id int PRIMARY KEY, {});", columns.join(", "));
    sql += &format!("INSERT INTO \"O\"\"ther\".\"T\" SELECT n, {} FROM generate_series(1, 3) n;", values.join(", "));
    sql += "CREATE MATERIALIZED VIEW seen AS SELECT t1 FROM \"O\"\"ther\".\"T\";
        CREATE TABLE parted (id int, t text) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (9);
        INSERT INTO parted SELECT 1, t1 FROM seen";
    raw_sql(AssertSqlSafe(sql)).execute(&db).await.unwrap();

    let mut db = db.acquire().await.unwrap();
    let three = |schema: &str, table: &str, column: &str| (schema.to_owned(), table.to_owned(), column.to_owned(), 3);
    let mut expected: Vec<_> = found.iter().map(|(name, ..)| three("O\"ther", "T", name)).collect();
    expected.extend([three("public", "parted", "t"), three("public", "seen", "t1")]);
    assert_eq!(expected.len(), 22);
    let named = async |db: &mut sqlx::PgConnection, declared: &[Table], waived: &[Waived]| {
        let found = find(db, declared, waived).await.unwrap();
        found
            .into_iter()
            .map(|found| match found.finding {
                Finding::Envelopes { rows, .. } => (found.schema, found.table, found.column, rows),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&mut db, &[], &[]).await, expected);
    // A declared column and a waived one are gone, and only these.
    let declared = Table::find(&mut db, "O\"ther", "T", &[], "t1").await.unwrap();
    let waived = [Waived::new("public", "seen", "t1"), Waived::new("public", "T", "t4")];
    expected.retain(|(_, table, column, _)| column != "t1" && table != "seen");
    assert_eq!(named(&mut db, &[declared], &waived).await, expected);
    assert_eq!(expected.len(), 20);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_found_as_not_scanned() {
    let Some(db) = database().await else { return };
    let sql = "CREATE TABLE hidden (a text, n int); CREATE TABLE rows (a text); ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
        CREATE TABLE open (a text); CREATE SCHEMA shut; CREATE TABLE shut.t (a text); CREATE POLICY p ON rows USING (false)";
    raw_sql(sql).execute(&db).await.unwrap();
    let name: String = sqlx::query_scalar("SELECT 'reader_' || current_database()").fetch_one(&db).await.unwrap();
    let role = format!("CREATE ROLE {name}; GRANT SELECT ON rows, open TO {name}; SET ROLE {name}");
    let mut db = db.acquire().await.unwrap();
    raw_sql(AssertSqlSafe(role)).execute(&mut *db).await.unwrap();
    let found = find(&mut db, &[], &[]).await.unwrap();
    let tables: Vec<_> = found.iter().map(|found| (found.table.as_str(), found.column.as_str())).collect();
    assert_eq!(tables, [("hidden", "a"), ("rows", "a"), ("t", "a")]);
    let is_refused = |finding: &Finding| matches!(finding, Finding::NotScanned { code, .. } if code == "42501");
    assert!(found.iter().all(|found| is_refused(&found.finding)), "{found:?}");
    let waived = [("public", "hidden"), ("public", "rows"), ("shut", "t")].map(|(s, t)| Waived::new(s, t, "a"));
    assert_eq!(find(&mut db, &[], &waived).await.unwrap(), []);
}
