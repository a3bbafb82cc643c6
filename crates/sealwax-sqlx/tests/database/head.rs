//! Compares `sealwax.head` with the library, on envelopes and on everything else.

use std::time::Instant;

use sealwax::{Draft, EncryptionContext, Envelope, Keyring, MasterKey, Suite, WrapKind, WrappedKey};
use sqlx::PgPool;

use crate::server::database;

pub(crate) fn key() -> String {
    MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned()
}

/// Returns an envelope with these wraps, whose bodies have `len` bytes.
pub(crate) fn envelope(suite: Suite, ids: &[&str], kind: WrapKind, len: usize, secret: &str) -> Envelope {
    let draft = Draft::new(&secret.into(), &EncryptionContext::empty(), suite).unwrap();
    let wrap = |id: &&str| WrappedKey::new(id.parse().unwrap(), kind, &vec![0xa5; len]).unwrap();
    draft.finish(ids.iter().map(wrap).collect()).unwrap()
}

/// Returns what the SQL function must return.
pub(crate) fn head(envelope: &Envelope) -> String {
    let wraps = envelope.wrapped_keys().map(|wrap| format!("{}={}", wrap.kind().byte(), wrap.key_id()));
    format!("{} {}", envelope.suite(), wraps.collect::<Vec<_>>().join(","))
}

/// Returns an envelope of each suite with each number of wraps, kind, id and length that matters.
pub(crate) fn envelopes() -> Vec<Envelope> {
    let long = format!("A-z0.9_/@{}", "y".repeat(119));
    let ids = ["prod-2026", "e", &long, "tenant/42@3", "7", "a.b", "Z_", "eu-dr"];
    let mut all = Vec::new();
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        for count in 1..=8 {
            for secret in ["", "sk-51", &"x".repeat(5_000)] {
                all.push(envelope(suite, &ids[..count], WrapKind::Local, 60, secret));
            }
        }
        for kind in (1..=u8::MAX).filter_map(WrapKind::from_byte) {
            all.push(envelope(suite, &["kms/eu"], kind, 3, "sk"));
        }
        for len in [1, 2, 3, 254, 255, 256, 700, 65_534] {
            all.push(envelope(suite, &["kms/eu", "kms/us"], WrapKind::Provider, len, "sk"));
        }
        for at in 0..=255_u8 {
            let id = ["a", str::from_utf8(&[at]).unwrap_or("ä")].concat();
            if id.parse::<sealwax::KeyId>().is_ok() {
                all.push(envelope(suite, &[&id], WrapKind::Local, 60, "sk"));
            }
        }
    }
    all
}

async fn of_bytes(db: &PgPool, rows: &[Vec<u8>]) -> Vec<Option<String>> {
    let sql = "SELECT sealwax.head(row) FROM unnest($1::bytea[]) WITH ORDINALITY AS rows (row, at) ORDER BY at";
    sqlx::query_scalar(sql).bind(rows).fetch_all(db).await.unwrap()
}

async fn of_text(db: &PgPool, rows: &[String]) -> Vec<Option<String>> {
    let sql = "SELECT sealwax.head(row) FROM unnest($1::text[]) WITH ORDINALITY AS rows (row, at) ORDER BY at";
    sqlx::query_scalar(sql).bind(rows).fetch_all(db).await.unwrap()
}

#[tokio::test]
async fn the_head_of_every_envelope_is_what_the_library_reads() {
    let Some(db) = database().await else { return };
    let all = envelopes();
    assert_eq!(all.len(), 2 * (24 + 255 + 8 + 67));
    let heads: Vec<_> = all.iter().map(|envelope| Some(head(envelope))).collect();
    let bytes: Vec<_> = all.iter().map(|envelope| envelope.as_bytes().to_vec()).collect();
    assert!(of_bytes(&db, &bytes).await == heads);
    let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert!(of_text(&db, &texts).await == heads);
}

#[tokio::test]
async fn a_row_that_is_cut_or_changed_has_the_head_that_the_library_reads_or_none() {
    let Some(db) = database().await else { return };
    let ids = ["prod-2026", "eu/dr"];
    let sealed = [
        envelope(Suite::Aes256Gcm, &ids[..1], WrapKind::Local, 60, "sk-51"),
        envelope(Suite::ChaCha20Poly1305, &ids, WrapKind::Provider, 3, "sk"),
    ];
    let mut bytes = Vec::new();
    let mut texts = Vec::new();
    for envelope in &sealed {
        let (row, text) = (envelope.as_bytes(), envelope.to_string());
        bytes.extend((0..row.len()).map(|len| row[..len].to_vec()));
        texts.extend((0..text.len()).map(|len| text[..len].to_owned()));
        for at in 0..row.len() {
            for flip in [0x01, 0x02, 0x04, 0x20, 0x80, 0xff] {
                let mut changed = row.to_vec();
                changed[at] ^= flip;
                bytes.push(changed);
            }
        }
        for at in 0..text.len() {
            texts.extend(
                ["", ":", ",", "=", "A", "-", "é", "\n", "+"].map(|new| [&text[..at], new, &text[at + 1..]].concat()),
            );
        }
    }
    // Random bytes, some of them after a good beginning.
    let random = MasterKey::generate().unwrap().check_value();
    let mut state = u32::from_be_bytes(random) | 1;
    for n in 0..4_000_usize {
        let mut noise: Vec<u8> = (0..n % 300)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[0]
            })
            .collect();
        if n % 2 == 0 {
            noise.splice(..0, [b'S', b'W', 1, 1, u8::try_from(n % 10).unwrap()]);
        }
        texts.push(format!("sw1:a256gcm:{}", String::from_utf8_lossy(&noise).replace('\0', "")));
        bytes.push(noise);
    }
    let heads = of_bytes(&db, &bytes).await;
    let expected: Vec<_> = bytes.iter().map(|row| Envelope::from_bytes(row).ok().as_ref().map(head)).collect();
    let parsed = expected.iter().flatten().count();
    assert!(parsed > 1_000 && parsed < bytes.len() - 1_000, "{parsed} of {}", bytes.len());
    for (at, (found, expected)) in heads.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{at}");
    }
    // A text has a head if it is an envelope. If it is none, only because of its base64, it may have one.
    let mut parsed = 0;
    for (text, found) in texts.iter().zip(of_text(&db, &texts).await) {
        if let Ok(envelope) = text.parse::<Envelope>() {
            parsed += 1;
            assert_eq!(found, Some(head(&envelope)));
        }
    }
    assert!(parsed > 100, "{parsed}");
}

#[tokio::test]
async fn ids_that_the_library_rejects_have_no_head() {
    let Some(db) = database().await else { return };
    let long = "y".repeat(129);
    let ids = ["", "-a", ".a", "a,b", "a\nb", "a\n", "a b", "a:b", "ä", "a\\b", "xSwk1_y", "swab1_", &long];
    let of = |ids: &[&str]| {
        let mut bytes = vec![b'S', b'W', 1, 1, u8::try_from(ids.len()).unwrap()];
        for id in ids {
            bytes.push(u8::try_from(id.len()).unwrap());
            bytes.extend([id.as_bytes(), &[0, 61], &[1; 61]].concat());
        }
        bytes.extend([0xee; 76]);
        bytes
    };
    let text = |ids: &[&str]| {
        let wraps: Vec<_> = ids.iter().map(|id| format!("{id}={}", "AQEB".repeat(20))).collect();
        let [proof, iv, tag] = [64, 16, 22].map(|len| "A".repeat(len));
        format!("sw1:a256gcm:{}:{proof}:{iv}:{tag}:", wraps.join(","))
    };
    for ids in ids.iter().flat_map(|id| [vec![*id], vec!["a", id]]).chain([vec!["a", "a"], vec![], vec!["a"; 9]]) {
        assert!(Envelope::from_bytes(&of(&ids)).is_err());
        assert_eq!(of_bytes(&db, &[of(&ids)]).await, [None], "{ids:?}");
        assert_eq!(of_text(&db, &[text(&ids)]).await, [None], "{ids:?}");
    }
    for ids in [vec!["a"], vec!["a", "A"], vec!["ab", "a"], vec!["swa1"]] {
        let expected = vec![Some(head(&Envelope::from_bytes(&of(&ids)).unwrap()))];
        assert_eq!(of_bytes(&db, &[of(&ids)]).await, expected);
        assert_eq!(of_text(&db, &[text(&ids)]).await, expected);
    }
    // A regular expression fails on a collation in which different texts are equal, and on very long texts.
    let sql = "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false)";
    sqlx::query(sql).execute(&db).await.unwrap();
    let sql = "SELECT sealwax.head($1 COLLATE loose)";
    let head: Option<String> = sqlx::query_scalar(sql).bind(text(&["a"])).fetch_one(&db).await.unwrap();
    assert_eq!(head.as_deref(), Some("a256gcm 1=a"));
    let sql = "SELECT sealwax.head('sw1:' || repeat('A', 300000000))";
    assert_eq!(sqlx::query_scalar::<_, Option<String>>(sql).fetch_one(&db).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "a measurement"]
async fn microseconds_a_row() {
    let Some(db) = database().await else { return };
    for wraps in ["", "; escrow e1 {}; escrow e2 {}"] {
        let escrows = wraps.replacen("{}", &key(), 1).replacen("{}", &key(), 1);
        let ring: Keyring = format!("primary prod-2026 {}{escrows}", key()).parse().unwrap();
        let sealed = ring.seal(&"sk-0123456789abcdef0123456789abcdef".into(), &EncryptionContext::empty()).unwrap();
        sqlx::raw_sql("DROP TABLE IF EXISTS t; CREATE TABLE t (b bytea, t text)").execute(&db).await.unwrap();
        let sql = "INSERT INTO t SELECT $1, $2 FROM generate_series(1, 100000)";
        sqlx::query(sql).bind(sealed.as_bytes()).bind(sealed.to_string()).execute(&db).await.unwrap();
        for column in ["b", "t"] {
            let mut db = db.acquire().await.unwrap();
            sqlx::query("SET max_parallel_workers_per_gather = 0").execute(&mut *db).await.unwrap();
            let mut best = f64::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                let sql = sqlx::AssertSqlSafe(format!("SELECT count(sealwax.head({column})) FROM t"));
                let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await.unwrap();
                assert_eq!(rows, 100_000);
                best = best.min(start.elapsed().as_secs_f64() * 10.0);
            }
            println!("{column}, {} wraps: {best:.2} µs a row", sealed.key_ids().count());
        }
    }
}
