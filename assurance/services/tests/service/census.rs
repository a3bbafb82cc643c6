//! Which keys rows need, in SQL.

use sealwax::{EncryptionContext, Envelope, Keyring, WrapKind, WrappedKey};
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::given;
use crate::server::database;

/// Envelopes of every shape that a head can have.
fn envelopes() -> Vec<Envelope> {
    let context = EncryptionContext::empty();
    let key = |id: &str| format!("primary {id} {}", given::key());
    let escrows = |count: u8| (0..count).map(|n| format!("; escrow e{n} {}", given::key())).collect::<String>();
    let (short, long) = ("k", format!("A-z0.9_/@{}", "y".repeat(119)));
    let mut texts: Vec<_> = (0..=7).map(|count| key("prod-2026") + &escrows(count)).collect();
    texts.extend([key(short), key(&long), key("tenant/42@3") + &escrows(3)]);
    let rings = texts.iter().map(|text| text.parse::<Keyring>().unwrap());
    let mut envelopes: Vec<_> = rings
        .flat_map(|ring| ["", "sk-51", &"x".repeat(5_000)].map(|secret| ring.seal(&secret.into(), &context).unwrap()))
        .collect();
    // Wraps of other lengths: one byte, and some whose length needs two.
    for len in [1, 255, 256, 700, 65_534] {
        let draft = sealwax::Draft::new(&"sk".into(), &context, sealwax::Suite::default()).unwrap();
        let wrap = |id: &str| WrappedKey::new(id.parse().unwrap(), WrapKind::Provider, &vec![0xff; len]).unwrap();
        envelopes.push(draft.finish(vec![wrap("kms/eu"), wrap("kms/us")]).unwrap());
    }
    envelopes
}

fn keys(envelope: &Envelope) -> String {
    envelope.key_ids().map(String::from).collect::<Vec<_>>().join(",")
}

async fn of_bytes(db: &PgPool, bytes: &[u8]) -> Option<String> {
    sqlx::query_scalar("SELECT key_ids($1::bytea)").bind(bytes).fetch_one(db).await.unwrap()
}

async fn of_text(db: &PgPool, text: &str) -> Option<String> {
    sqlx::query_scalar("SELECT key_ids($1::text)").bind(text).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn sql_and_the_library_read_the_same_key_ids_in_both_forms() {
    let Some((db, _)) = database().await else { return };
    let envelopes = envelopes();
    assert_eq!(envelopes.len(), 38);
    for envelope in &envelopes {
        let expected = Some(keys(envelope));
        assert_eq!(of_bytes(&db, envelope.as_bytes()).await, expected);
        assert_eq!(of_text(&db, &envelope.to_string()).await, expected);
        let first = "SELECT encode(substring($1 FROM 7 FOR get_byte($1, 5)), 'escape')";
        let first: String = sqlx::query_scalar(first).bind(envelope.as_bytes()).fetch_one(&db).await.unwrap();
        assert_eq!(first, String::from(envelope.key_ids().next().unwrap()));
    }
    // Cut at any place, and with any byte changed, a row fails nothing.
    let row = envelopes[3].as_bytes();
    for len in 0..row.len() {
        of_bytes(&db, &row[..len]).await;
        let mut changed = row.to_vec();
        changed[len] ^= 0xff;
        of_bytes(&db, &changed).await;
    }
    for other in ["", "sk-plain", "SW", "sw1:", "null"] {
        assert_eq!(of_bytes(&db, other.as_bytes()).await, None, "{other}");
        assert_eq!(of_text(&db, other).await, None, "{other}");
    }
}

#[tokio::test]
async fn a_census_of_either_column_counts_what_the_library_counts() {
    let Some((db, _)) = database().await else { return };
    let (a, b, c) = (given::key(), given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary a {a}; escrow e {b}")), 2_000).await;
    sqlx::raw_sql("UPDATE credentials SET tenant = tenant + 10000").execute(&db).await.unwrap();
    given::rows(&db, &given::ring(&format!("primary c {c}")), 3).await;
    sqlx::raw_sql("ANALYZE credentials").execute(&db).await.unwrap();

    let sql = include_str!("../../src/census.sql");
    let census: Vec<(Option<String>, i64)> = sqlx::query_as(sql).fetch_all(&db).await.unwrap();
    let expected = [(Some("a,e".to_owned()), 2_000), (Some("c".to_owned()), 3)];
    assert_eq!(census, expected);
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT envelope FROM credentials").fetch_all(&db).await.unwrap();
    let of_c = rows.iter().filter(|row| keys(&Envelope::from_bytes(row).unwrap()) == "c").count();
    assert_eq!((rows.len(), of_c), (2_003, 3));

    // The index leads to the three, and to the lists of all rows.
    let plan = |sql: &str| {
        let explain = AssertSqlSafe(format!("EXPLAIN ANALYZE {sql}"));
        let lines = sqlx::query(explain);
        let db = db.clone();
        async move {
            let lines = lines.fetch_all(&db).await.unwrap();
            lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
        }
    };
    let found = plan("SELECT id FROM credentials WHERE key_ids(envelope) = 'c'").await;
    assert!(found.contains("credentials_key_ids"), "{found}");
    assert!(!found.contains("Seq Scan"), "{found}");
    let lists = plan(services::start::KEY_LISTS).await;
    assert!(!lists.contains("Seq Scan"), "{lists}");
    assert_eq!(lists.matches("credentials_key_ids").count(), 2, "{lists}");

    // The same rows in a column of text.
    let text = "ALTER TABLE credentials RENAME COLUMN envelope TO bytes;
        ALTER TABLE credentials ADD COLUMN envelope text;
        CREATE INDEX of_text ON credentials (key_ids(envelope))";
    sqlx::raw_sql(text).execute(&db).await.unwrap();
    for (id, bytes) in
        sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT id, bytes FROM credentials").fetch_all(&db).await.unwrap()
    {
        let envelope = Envelope::try_from(bytes).unwrap().to_string();
        let update = sqlx::query("UPDATE credentials SET envelope = $1 WHERE id = $2");
        update.bind(envelope).bind(id).execute(&db).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE credentials").execute(&db).await.unwrap();
    let census: Vec<(Option<String>, i64)> = sqlx::query_as(sql).fetch_all(&db).await.unwrap();
    assert_eq!(census, expected);
    let found = plan("SELECT id FROM credentials WHERE key_ids(envelope) = 'c'").await;
    assert!(found.contains("of_text"), "{found}");
}
