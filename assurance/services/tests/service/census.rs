//! Tests the SQL that lists the keys that rows need.

use sealwax::{EncryptionContext, Envelope, Keyring, WrapKind, WrappedKey};
use services::start::{COUNTS, UNKNOWN_LISTS};
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::given;
use crate::server::database;

/// Returns envelopes with every shape of head that the format allows.
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
    // Wraps can have other lengths: these are one byte long, or so long that their length fills two bytes.
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
    // The SQL function raises no error on a row that is cut at any place or has any byte changed. It returns the list
    // if the library still parses the row.
    let row = envelopes[4].as_bytes();
    let (mut cuts, mut parsed) = (0, 0);
    for len in 0..row.len() {
        let cut = Envelope::from_bytes(&row[..len]).ok().as_ref().map(keys);
        cuts += u32::from(cut.is_some());
        assert_eq!(of_bytes(&db, &row[..len]).await, cut, "{len}");
        let mut changed = row.to_vec();
        changed[len] ^= 0xff;
        let list = of_bytes(&db, &changed).await;
        if let Ok(envelope) = Envelope::from_bytes(&changed) {
            parsed += 1;
            assert_eq!(list, Some(keys(&envelope)), "{len}");
        }
    }
    // A cut inside the 5 bytes of ciphertext still parses. So does a changed byte that only a key can check.
    assert_eq!((cuts, parsed), (5, 2 * 61 + 76 + 5));
    for other in ["", "sk-plain", "SW", "sw1:", "null", "sw1:a256gcm::::", "sw1:a256gcm:::::", "sw1:a:sk-plain:c:d:e:f"]
    {
        assert_eq!(of_bytes(&db, other.as_bytes()).await, None, "{other}");
        assert_eq!(of_text(&db, other).await, None, "{other}");
    }
}

/// Returns the binary form of an envelope with these key ids, whether or not the format allows them.
fn head(ids: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![b'S', b'W', 1, 1, ids.len().try_into().unwrap()];
    for id in ids {
        bytes.push(id.len().try_into().unwrap());
        bytes.extend([id, &[0, 61][..], &[0xff; 61]].concat());
    }
    bytes.extend([0xee; 76]);
    bytes
}

/// Returns the text form of an envelope with these key ids, whether or not the format allows them.
fn text(ids: &[&str]) -> String {
    let wraps: Vec<_> = ids.iter().map(|id| format!("{id}={}", "A".repeat(82))).collect();
    let [proof, iv, tag] = [64, 16, 22].map(|len| "A".repeat(len));
    format!("sw1:a256gcm:{}:{proof}:{iv}:{tag}:", wraps.join(","))
}

#[tokio::test]
async fn rows_with_hostile_key_ids_have_no_list_and_do_not_break_the_index() {
    let Some((db, _)) = database().await else { return };
    let long = "y".repeat(128);
    let allowed: [&[&str]; 3] = [&["a"], &["Z-z0.9_/@"], &[long.as_str(); 8]];
    let too_long = "y".repeat(129);
    let refused =
        ["", "-a", ".a", "a,b", "a\nb", "a\n", "\na", "a\r", "\x1b[2J", "a\0", "a b", "a:b", "a=b", "ä", "a\\b"];
    let refused: Vec<&str> = refused.into_iter().chain([too_long.as_str()]).collect();
    let of = |ids: &[&str]| head(&ids.iter().map(|id| id.as_bytes()).collect::<Vec<_>>());
    for ids in allowed {
        assert!(Envelope::from_bytes(&of(&ids[..1])).is_ok());
        assert_eq!(of_bytes(&db, &of(ids)).await, Some(ids.join(",")));
        assert_eq!(of_text(&db, &text(ids)).await, Some(ids.join(",")));
    }
    for id in &refused {
        assert!(Envelope::from_bytes(&of(&[id])).is_err());
        for ids in [&[*id][..], &["a", id]] {
            assert_eq!(of_bytes(&db, &of(ids)).await, None, "{id:?}");
        }
    }
    for id in refused.iter().filter(|id| !id.contains('\0')) {
        // In the text form, `=` ends a key id, so the function reads `a=b` as the id `a`.
        let expected = (*id == "a=b").then(|| "a".to_owned());
        assert_eq!(of_text(&db, &text(&[id])).await, expected, "{id:?}");
    }
    assert_eq!(of_bytes(&db, &head(&[b"\xff\xfe"])).await, None);
    // A row with no wraps or with too many has no list.
    assert_eq!(of_bytes(&db, &of(&[])).await, None);
    assert_eq!(of_bytes(&db, &[of(&[]), vec![0; 100]].concat()).await, None);
    assert_eq!(of_bytes(&db, &of(&["a"; 9])).await, None);
    assert_eq!(of_text(&db, &text(&[])).await, None);
    assert_eq!(of_text(&db, &text(&["a"; 9])).await, None);

    // The lists of the first two rows would be too long for a page of an index. The third row has the longest valid
    // list.
    let noise: Vec<u8> = (0..255_u8).map(|n| n.wrapping_mul(167) ^ 0x80).collect();
    for row in [head(&vec![&noise[..]; 255]), head(&vec![long.as_bytes(); 255]), of(&[long.as_str(); 8]), of(&["a,b"])]
    {
        let insert =
            "INSERT INTO credentials (tenant, provider, envelope) SELECT count(*), 'openai', $1 FROM credentials";
        sqlx::query(insert).bind(row).execute(&db).await.unwrap();
    }
    let again = r#"DROP INDEX credentials_key_ids;
        CREATE INDEX credentials_key_ids ON credentials (key_ids(envelope) COLLATE "C")"#;
    sqlx::raw_sql(again).execute(&db).await.unwrap();
    let rows = "SELECT count(key_ids(envelope)), count(*) FROM credentials";
    let (listed, all): (i64, i64) = sqlx::query_as(rows).fetch_one(&db).await.unwrap();
    assert_eq!((listed, all), (1, 4));
}

#[tokio::test]
async fn the_functions_are_immutable_and_the_index_is_valid() {
    let Some((db, _)) = database().await else { return };
    // The two functions call these functions, some of them through the operators <>, !~, LIKE and ||.
    let called = [
        "octet_length(bytea)",
        "substring(bytea, integer, integer)",
        "substring(text, integer)",
        "get_byte(bytea, integer)",
        "encode(bytea, text)",
        "byteane(bytea, bytea)",
        "textregexne(text, text)",
        "textnlike(text, text)",
        "textcat(text, text)",
        "string_to_array(text, text)",
        "split_part(text, text, integer)",
        "cardinality(anyarray)",
        "strpos(text, text)",
    ];
    let volatility = async |function: &str| -> String {
        let sql = "SELECT provolatile::text FROM pg_proc WHERE oid = $1::regprocedure";
        sqlx::query_scalar(sql).bind(function).fetch_one(&db).await.unwrap()
    };
    for function in called {
        assert_eq!(volatility(function).await, "i", "{function}");
    }
    for function in ["array_to_string(anyarray, text)", "convert_from(bytea, name)"] {
        assert_eq!(volatility(function).await, "s", "{function}");
    }

    given::rows(&db, &given::ring(&format!("primary b {}", given::key())), 500).await;
    sqlx::raw_sql("UPDATE credentials SET tenant = tenant + 1000").execute(&db).await.unwrap();
    given::rows(&db, &given::ring(&format!("primary A {}", given::key())), 500).await;
    let index = "SELECT indisvalid, collname::text FROM pg_index, pg_collation AS c
        WHERE indexrelid = 'credentials_key_ids'::regclass AND c.oid = indcollation[0]";
    let (is_valid, collation): (bool, String) = sqlx::query_as(index).fetch_one(&db).await.unwrap();
    assert!(is_valid);
    assert_eq!(collation, "C");
    // amcheck computes the list of each row again, and looks for it in the index.
    let check = "CREATE EXTENSION amcheck; SELECT bt_index_check('credentials_key_ids', true)";
    sqlx::raw_sql(check).execute(&db).await.unwrap();
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

    // PostgreSQL uses the index to find the three rows, and to read the lists of all rows.
    let plan = async |sql: &str| {
        let explain = AssertSqlSafe(format!("EXPLAIN ANALYZE {sql}"));
        let lines = sqlx::query(explain).fetch_all(&db).await.unwrap();
        lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    };
    let plans = async |index: &str| {
        let of_three = r#"SELECT id FROM credentials WHERE key_ids(envelope) COLLATE "C" = 'c'"#;
        let lists = UNKNOWN_LISTS.replace("$1", "'{c}'::text[]");
        let (some, none) = (COUNTS.replace("$1", "'{c}'::text[]"), COUNTS.replace("$1", "'{}'::text[]"));
        for (sql, count) in [(of_three, 1), (&lists, 2), (&some, 1), (&none, 1)] {
            let plan = plan(sql).await;
            assert!(!plan.contains("Seq Scan"), "{plan}");
            assert_eq!(plan.matches(index).count(), count, "{plan}");
        }
    };
    plans("credentials_key_ids").await;

    // The census gives the same counts if a text column holds the rows.
    let text = "ALTER TABLE credentials RENAME COLUMN envelope TO bytes;
        ALTER TABLE credentials ADD COLUMN envelope text;
        CREATE INDEX of_text ON credentials (key_ids(envelope) COLLATE \"C\")";
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
    plans("of_text").await;
}
