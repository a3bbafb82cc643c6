//! Tables, as the catalogue describes them.

use sealwax_sqlx::{Form, Table, TableError};
use sqlx::{AssertSqlSafe, PgPool, raw_sql};

use crate::server;

async fn run(db: &PgPool, sql: &str) {
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap();
}

async fn find(db: &PgPool, name: &str, keys: &[&str], envelope: &str) -> Result<Table, TableError> {
    Table::find(&mut db.acquire().await.unwrap(), "public", name, keys, envelope).await
}

/// Creates the table `t` from scratch, and returns what was found.
async fn recreated(db: &PgPool, columns: &str, keys: &[&str]) -> Result<Table, TableError> {
    run(db, &format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({columns})")).await;
    find(db, "t", keys, "envelope").await
}

fn keys(table: &Table) -> Vec<&str> {
    table.keys().collect()
}

#[tokio::test]
async fn keys_of_each_type_are_found() {
    let Some((db, _)) = server::empty().await else { return };
    for key in ["smallint", "integer", "bigint", "uuid", "text", "character varying", "character varying(9)"] {
        let table = recreated(&db, &format!("id {key} PRIMARY KEY, envelope bytea"), &[]).await.unwrap();
        assert_eq!((keys(&table), table.envelope(), table.form()), (vec!["id"], "envelope", Form::Binary));
        assert_eq!((table.schema(), table.name()), ("public", "t"));
    }
    for key in ["boolean", "date", "numeric", "bytea", "character(3)"] {
        let error = recreated(&db, &format!("id {key} PRIMARY KEY, envelope bytea"), &[]).await.unwrap_err();
        assert!(matches!(&error, TableError::Type { column, found, .. } if column == "id" && found == key), "{error}");
    }
}

#[tokio::test]
async fn two_columns_are_in_the_order_of_their_index() {
    let Some((db, _)) = server::empty().await else { return };
    let columns = "a bigint NOT NULL, b uuid NOT NULL, envelope bytea, PRIMARY KEY (b, a)";
    assert_eq!(keys(&recreated(&db, columns, &[]).await.unwrap()), ["b", "a"]);
    assert_eq!(keys(&recreated(&db, columns, &["a", "b"]).await.unwrap()), ["b", "a"]);
    let columns = "id bigint PRIMARY KEY, a bigint NOT NULL, b text NOT NULL, c text, envelope bytea";
    let unique = format!("{columns}, UNIQUE (b, a) INCLUDE (c)");
    assert_eq!(keys(&recreated(&db, &unique, &["a", "b"]).await.unwrap()), ["b", "a"]);
    assert_eq!(keys(&recreated(&db, &unique, &[]).await.unwrap()), ["id"]);
    for part in [&["a"][..], &["b"], &["a", "b", "id"], &["a", "a"]] {
        let error = recreated(&db, &unique, part).await.unwrap_err();
        assert!(matches!(&error, TableError::NotUnique { .. }), "{part:?}: {error}");
    }
}

#[tokio::test]
async fn columns_of_envelopes_have_no_limit() {
    let Some((db, _)) = server::empty().await else { return };
    for (column, form) in [("bytea", Form::Binary), ("text", Form::Text), ("character varying", Form::Text)] {
        let table = recreated(&db, &format!("id bigint PRIMARY KEY, envelope {column}"), &[]).await.unwrap();
        assert_eq!(table.form(), form);
    }
    for column in ["character varying(255)", "character(9)", "jsonb", "bytea[]"] {
        let error = recreated(&db, &format!("id bigint PRIMARY KEY, envelope {column}"), &[]).await.unwrap_err();
        assert!(matches!(&error, TableError::Type { found, .. } if found == column), "{error}");
    }
}

#[tokio::test]
async fn columns_that_take_no_envelope_are_refused() {
    let Some((db, _)) = server::empty().await else { return };
    let generated = "id bigint PRIMARY KEY, t text, envelope text GENERATED ALWAYS AS (lower(t)) STORED";
    let error = recreated(&db, generated, &[]).await.unwrap_err();
    assert!(matches!(&error, TableError::Generated { column, .. } if column == "envelope"), "{error}");
    for (columns, keys) in [
        ("envelope text PRIMARY KEY", &[][..]),
        (
            "id bigint PRIMARY KEY, tenant int NOT NULL, envelope text NOT NULL, UNIQUE (tenant, envelope)",
            &["tenant", "envelope"],
        ),
    ] {
        let error = recreated(&db, columns, keys).await.unwrap_err();
        assert!(matches!(&error, TableError::EnvelopeInKey { column, .. } if column == "envelope"), "{error}");
    }
    // One that has a default can be written.
    recreated(&db, "id bigint PRIMARY KEY, envelope text DEFAULT ''", &[]).await.unwrap();
}

#[tokio::test]
async fn odd_names_are_found_as_they_are() {
    let Some((db, _)) = server::empty().await else { return };
    run(
        &db,
        r#"CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."We""ird" ("Id ""x""" bigint PRIMARY KEY, "select" bytea);
           CREATE TABLE "';--" (id bigint PRIMARY KEY, "É" text)"#,
    )
    .await;
    let mut connection = db.acquire().await.unwrap();
    let table = Table::find(&mut connection, "a.b", "We\"ird", &["Id \"x\""], "select").await.unwrap();
    assert_eq!((table.schema(), table.name(), table.envelope()), ("a.b", "We\"ird", "select"));
    assert_eq!(keys(&table), ["Id \"x\""]);
    assert_eq!(find(&db, "';--", &[], "É").await.unwrap().name(), "';--");
    // The letters' case is part of a name.
    let error = Table::find(&mut connection, "a.b", "WE\"IRD", &[], "select").await.unwrap_err();
    assert!(matches!(error, TableError::NoTable { .. }));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let Some((db, _)) = server::empty().await else { return };
    run(&db, "CREATE TABLE t (id bigint PRIMARY KEY, envelope bytea, gone bytea); ALTER TABLE t DROP COLUMN gone")
        .await;
    run(&db, "CREATE VIEW v AS SELECT * FROM t; CREATE TABLE keyless (id bigint NOT NULL, envelope bytea)").await;
    for name in ["v", "nothing", "public.t"] {
        let error = find(&db, name, &[], "envelope").await.unwrap_err();
        assert!(matches!(&error, TableError::NoTable { table, .. } if *table == format!("public.{name}")), "{error}");
    }
    for column in ["nothing", "gone", "........pg.dropped.3........", "ctid", "Envelope"] {
        let error = find(&db, "t", &[], column).await.unwrap_err();
        assert!(matches!(&error, TableError::NoColumn { column: named, .. } if named == column), "{error}");
    }
    let error = find(&db, "t", &["id", "nothing"], "envelope").await.unwrap_err();
    assert!(matches!(&error, TableError::NoColumn { column, .. } if column == "nothing"), "{error}");
    let error = find(&db, "keyless", &[], "envelope").await.unwrap_err();
    assert!(matches!(error, TableError::NoPrimaryKey { .. }), "{error}");
}

#[tokio::test]
async fn an_index_that_does_not_identify_each_row_is_refused() {
    let Some((db, _)) = server::empty().await else { return };
    let refused = [
        ("id bigint UNIQUE", ""),
        ("id bigint NOT NULL UNIQUE DEFERRABLE", ""),
        ("id bigint NOT NULL", "CREATE INDEX ON t (id)"),
        ("id bigint NOT NULL", "CREATE UNIQUE INDEX ON t (id) WHERE id > 0"),
        ("id bigint NOT NULL", "CREATE UNIQUE INDEX ON t ((id + 1))"),
        ("id bigint NOT NULL", "CREATE UNIQUE INDEX ON t (id, (id + 1))"),
    ];
    for (column, index) in refused {
        run(&db, &format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({column}, envelope bytea); {index}")).await;
        let error = find(&db, "t", &["id"], "envelope").await.unwrap_err();
        assert!(
            matches!(&error, TableError::NotUnique { columns, .. } if columns == "id"),
            "{column}; {index}: {error}"
        );
    }
    let deferrable = recreated(&db, "id bigint PRIMARY KEY DEFERRABLE, envelope bytea", &[]).await.unwrap_err();
    assert!(matches!(deferrable, TableError::NoPrimaryKey { .. }));
    run(&db, "DROP TABLE t; CREATE TABLE t (id bigint NOT NULL, envelope bytea); CREATE UNIQUE INDEX ON t (id)").await;
    assert_eq!(keys(&find(&db, "t", &["id"], "envelope").await.unwrap()), ["id"]);
}

#[tokio::test]
async fn a_partitioned_table_is_found() {
    let Some((db, _)) = server::empty().await else { return };
    let sql = "CREATE TABLE t (id bigint PRIMARY KEY, envelope bytea) PARTITION BY HASH (id);
               CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)";
    run(&db, sql).await;
    assert_eq!(keys(&find(&db, "t", &[], "envelope").await.unwrap()), ["id"]);
    assert_eq!(keys(&find(&db, "t0", &[], "envelope").await.unwrap()), ["id"]);
}

#[tokio::test]
async fn a_collation_in_which_different_texts_are_equal_is_refused() {
    let Some((db, _)) = server::empty().await else { return };
    // Debian builds PostgreSQL with ICU.
    run(&db, "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
    let error = recreated(&db, "id text COLLATE loose PRIMARY KEY, envelope bytea", &[]).await.unwrap_err();
    assert!(matches!(error, TableError::NoPrimaryKey { .. }), "{error}");
    recreated(&db, "id text COLLATE \"C\" PRIMARY KEY, envelope bytea", &[]).await.unwrap();
}
