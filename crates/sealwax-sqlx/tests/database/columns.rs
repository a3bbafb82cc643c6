//! Column types, over PostgreSQL and over SQLite in memory.

use sealwax::{Envelope, FormatError, KeyId};
use sealwax_sqlx::{Sealed, SealedText, StoredKeyId};
use sqlx::{Error, query, query_as, query_scalar};

use crate::given::envelope;
use crate::server;

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    bytes: Sealed,
    text: SealedText,
    id: StoredKeyId,
    missing: Option<Sealed>,
}

#[derive(Debug, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
struct Credential(Sealed);

fn row(envelope: &Envelope) -> Row {
    let id: KeyId = "prod-2026".parse().unwrap();
    Row { bytes: Sealed(envelope.clone()), text: SealedText(envelope.clone()), id: StoredKeyId(id), missing: None }
}

/// Returns the error that decoding gave.
fn format_error<T: std::fmt::Debug>(result: Result<T, Error>) -> FormatError {
    match result.unwrap_err() {
        Error::ColumnDecode { source, .. } => source.downcast_ref::<FormatError>().unwrap().clone(),
        other => panic!("{other:?}"),
    }
}

fn altered(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::from(envelope());
    change(&mut bytes);
    bytes
}

const CREATE: &str = "CREATE TABLE credentials (id TEXT, bytes BYTEA, text TEXT, limited VARCHAR(2000), missing BYTEA)";
const INSERT: &str = "INSERT INTO credentials (bytes, text, limited, id, missing) VALUES ($1, $2, $3, $4, $5)";

#[tokio::test]
async fn postgres_stores_envelopes_and_key_ids() {
    let Some((db, _)) = server::empty().await else { return };
    query(CREATE).execute(&db).await.unwrap();
    let envelope = envelope();
    let expected = row(&envelope);
    let insert = query(INSERT).bind(&expected.bytes).bind(&expected.text).bind(&expected.text).bind(&expected.id);
    insert.bind(&expected.missing).execute(&db).await.unwrap();

    let found: Row = query_as("SELECT bytes, text, id, missing FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(found, expected);
    // Each column has its own form.
    let stored: (Vec<u8>, String, String) =
        query_as("SELECT bytes, text, limited FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(stored, (envelope.as_bytes().to_vec(), envelope.to_string(), envelope.to_string()));
    // Each type reads each column.
    let sealed: (Sealed, Sealed, Sealed) =
        query_as("SELECT bytes, text, limited FROM credentials").fetch_one(&db).await.unwrap();
    let text: (SealedText, SealedText, SealedText) =
        query_as("SELECT bytes, text, limited FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(sealed, (envelope.clone().into(), envelope.clone().into(), envelope.clone().into()));
    assert_eq!(text, (envelope.clone().into(), envelope.clone().into(), envelope.clone().into()));
    let own: Credential = query_scalar("SELECT bytes FROM credentials WHERE bytes = $1")
        .bind(Credential(Sealed(envelope.clone())))
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(own.0.0, envelope);
}

#[tokio::test]
async fn postgres_takes_and_gives_arrays() {
    let Some((db, _)) = server::empty().await else { return };
    let envelopes = [envelope(), envelope()];
    let sealed: Vec<Sealed> = envelopes.iter().cloned().map(Sealed).collect();
    let text: Vec<SealedText> = envelopes.iter().cloned().map(SealedText).collect();
    let ids: Vec<StoredKeyId> = vec![StoredKeyId("a".parse().unwrap()), StoredKeyId("b".parse().unwrap())];
    type Found = (Vec<Sealed>, Vec<SealedText>, Vec<StoredKeyId>, Vec<SealedText>, Vec<Sealed>, String);
    let found: Found =
        query_as("SELECT $1, $2, $3, $1, $2::varchar[], pg_typeof($1)::text || pg_typeof($2) || pg_typeof($3)")
            .bind(&sealed)
            .bind(&text)
            .bind(&ids)
            .fetch_one(&db)
            .await
            .unwrap();
    let types = "bytea[]text[]text[]".to_owned();
    assert_eq!(found, (sealed.clone(), text.clone(), ids, text, sealed, types));
    let holes: Vec<Option<Sealed>> = query_scalar("SELECT ARRAY[NULL::bytea]").fetch_one(&db).await.unwrap();
    assert_eq!(holes, [None]);
}

#[tokio::test]
async fn postgres_reads_bytes_in_a_simple_query() {
    let Some((db, _)) = server::empty().await else { return };
    query(CREATE).execute(&db).await.unwrap();
    let envelope = envelope();
    query("INSERT INTO credentials (bytes) VALUES ($1)").bind(Sealed(envelope.clone())).execute(&db).await.unwrap();
    let found = sqlx::raw_sql("SELECT bytes FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(sqlx::Row::get::<Sealed, _>(&found, 0), Sealed(envelope));
}

#[tokio::test]
async fn postgres_values_that_are_no_envelopes_give_a_format_error() {
    let Some((db, _)) = server::empty().await else { return };
    let bytes = [altered(|bytes| bytes.truncate(80)), envelope().to_string().into_bytes(), Vec::new()];
    for value in bytes {
        let found = query_scalar::<_, Sealed>("SELECT $1").bind(&value).fetch_one(&db).await;
        assert!(matches!(format_error(found), FormatError::Malformed { .. }));
        let found = query_scalar::<_, SealedText>("SELECT $1").bind(&value).fetch_one(&db).await;
        assert!(matches!(format_error(found), FormatError::Malformed { .. }));
    }
    let newer = altered(|bytes| bytes.splice(2..3, [2]).for_each(drop));
    let found = query_scalar::<_, Sealed>("SELECT $1").bind(newer).fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::NewerVersion { version: 2, .. }));

    let found = query_scalar::<_, Sealed>("SELECT 'sk-not-a-key'::text").fetch_one(&db).await;
    let error = found.unwrap_err();
    assert!(!error.to_string().contains("sk-not") && !format!("{error:?}").contains("sk-not"));
    assert!(matches!(format_error::<()>(Err(error)), FormatError::Malformed { .. }));
    let found = query_scalar::<_, StoredKeyId>("SELECT 'two words'::text").fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::Malformed { .. }));
}

#[tokio::test]
async fn postgres_null_and_other_types_are_refused() {
    let Some((db, _)) = server::empty().await else { return };
    for null in ["SELECT NULL::bytea", "SELECT NULL::text"] {
        let error = query_scalar::<_, Sealed>(null).fetch_one(&db).await.unwrap_err();
        assert!(error.to_string().contains("unexpected null"), "{error}");
        let found: Option<Sealed> = query_scalar(null).fetch_one(&db).await.unwrap();
        assert_eq!(found, None);
    }
    for (sql, found) in [
        ("SELECT 1", query_scalar::<_, Sealed>("SELECT 1").fetch_one(&db).await.map(|_| ())),
        ("text", query_scalar::<_, SealedText>("SELECT 1").fetch_one(&db).await.map(|_| ())),
        ("id", query_scalar::<_, StoredKeyId>("SELECT 'a'::bytea").fetch_one(&db).await.map(|_| ())),
    ] {
        let error = found.unwrap_err();
        assert!(error.to_string().contains("mismatched types"), "{sql}: {error}");
    }
}

#[cfg(feature = "sqlite")]
async fn in_memory() -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let db = options.connect("sqlite::memory:").await.unwrap();
    query("CREATE TABLE credentials (id TEXT, bytes BLOB, text TEXT, limited VARCHAR(2000), missing BLOB)")
        .execute(&db)
        .await
        .unwrap();
    db
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_stores_envelopes_and_key_ids() {
    let db = in_memory().await;
    let envelope = envelope();
    let expected = row(&envelope);
    let insert = query(INSERT).bind(&expected.bytes).bind(&expected.text).bind(&expected.text).bind(&expected.id);
    insert.bind(&expected.missing).execute(&db).await.unwrap();

    let found: Row = query_as("SELECT bytes, text, id, missing FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(found, expected);
    let types: (String, String) =
        query_as("SELECT typeof(bytes), typeof(text) FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(types, ("blob".to_owned(), "text".to_owned()));
    let both: (Sealed, SealedText) = query_as("SELECT text, bytes FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(both, (expected.bytes, expected.text));
    let own: Credential = query_scalar("SELECT bytes FROM credentials WHERE bytes = $1")
        .bind(Credential(Sealed(envelope.clone())))
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(own.0.0, envelope);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_values_that_are_no_envelopes_are_refused() {
    let db = in_memory().await;
    let cut = altered(|bytes| bytes.truncate(80));
    let newer = altered(|bytes| bytes.splice(2..3, [2]).for_each(drop));
    let found = query_scalar::<_, Sealed>("SELECT $1").bind(cut).fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::Malformed { .. }));
    let found = query_scalar::<_, SealedText>("SELECT $1").bind(newer).fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::NewerVersion { version: 2, .. }));
    let text = envelope().to_string().into_bytes();
    let found = query_scalar::<_, Sealed>("SELECT $1").bind(text).fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::Malformed { .. }));
    let found = query_scalar::<_, StoredKeyId>("SELECT 'two words'").fetch_one(&db).await;
    assert!(matches!(format_error(found), FormatError::Malformed { .. }));

    query("INSERT INTO credentials (id) VALUES (NULL)").execute(&db).await.unwrap();
    let error = query_scalar::<_, Sealed>("SELECT bytes FROM credentials").fetch_one(&db).await.unwrap_err();
    assert!(error.to_string().contains("unexpected null"), "{error}");
    let error = query_scalar::<_, StoredKeyId>("SELECT id FROM credentials").fetch_one(&db).await.unwrap_err();
    assert!(error.to_string().contains("unexpected null"), "{error}");
    let found: Option<SealedText> = query_scalar("SELECT text FROM credentials").fetch_one(&db).await.unwrap();
    assert_eq!(found, None);
    let error = query_scalar::<_, Sealed>("SELECT 1").fetch_one(&db).await.unwrap_err();
    assert!(error.to_string().contains("mismatched types"), "{error}");
}
