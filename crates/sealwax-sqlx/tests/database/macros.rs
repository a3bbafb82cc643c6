//! The macros that take the types of columns from the database.
//!
//! They read in `.sqlx` what a database said of the statements, so none is needed to compile them. The README has the same
//! statements. To write `.sqlx` again, compile with `SQLX_OFFLINE_DIR=$PWD/.sqlx` and a `DATABASE_URL` whose database has
//! the table.

use sealwax_sqlx::Sealed;
use sqlx::{query, query_as};

use crate::given::envelope;
use crate::server;

const CREATE: &str = "CREATE TABLE credentials (id bigint PRIMARY KEY, envelope bytea NOT NULL, former bytea)";

#[derive(Debug, PartialEq)]
struct Credential {
    id: i64,
    envelope: Sealed,
    former: Option<Sealed>,
}

#[tokio::test]
#[expect(clippy::as_conversions, reason = "in the macro, it names the type of the parameter and converts nothing")]
async fn macros_bind_and_read_envelopes() {
    let Some((db, _)) = server::empty().await else { return };
    query(CREATE).execute(&db).await.unwrap();
    let [old, new] = [(); 2].map(|()| Sealed(envelope()));
    let insert = query("INSERT INTO credentials VALUES (1, $1, NULL), (2, $1, $1)");
    insert.bind(&old).execute(&db).await.unwrap();
    let update = query!("UPDATE credentials SET envelope = $1 WHERE id = $2", new.clone() as Sealed, 2);
    assert_eq!(update.execute(&db).await.unwrap().rows_affected(), 1);
    let found = query_as!(
        Credential,
        r#"SELECT id, envelope AS "envelope: Sealed", former AS "former: Sealed" FROM credentials ORDER BY id"#
    );
    let expected = [
        Credential { id: 1, envelope: old.clone(), former: None },
        Credential { id: 2, envelope: new, former: Some(old) },
    ];
    assert_eq!(found.fetch_all(&db).await.unwrap(), expected);
}
