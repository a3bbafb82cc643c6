//! The proof of a rotation: what it compares, what it sees, and what it does not see.

use std::collections::BTreeMap;
use std::time::Instant;

use sealwax::{EncryptionContext, Envelope, Keyring, Suite, WrapKind};
use sealwax_sqlx::{
    Form, Job, Kind, Limits, Options, PlanError, Proof, ProofVerdict, RowContext, Table, find, install,
};
use sqlx::{AssertSqlSafe, PgPool, query, query_scalar, raw_sql};

use crate::given::{key, ring};
use crate::head::{envelope, envelopes};
use crate::server::{database, empty};

async fn of_bytes(db: &PgPool, rows: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let sql = "SELECT sealwax.payload(row) FROM unnest($1::bytea[]) WITH ORDINALITY AS rows (row, at) ORDER BY at";
    query_scalar(sql).bind(rows).fetch_all(db).await.unwrap()
}

async fn of_text(db: &PgPool, rows: &[String]) -> Vec<Option<Vec<u8>>> {
    let sql = "SELECT sealwax.payload(row) FROM unnest($1::text[]) WITH ORDINALITY AS rows (row, at) ORDER BY at";
    query_scalar(sql).bind(rows).fetch_all(db).await.unwrap()
}

/// Returns what the SQL function must return.
async fn expected(db: &PgPool, envelope: &Envelope) -> Vec<u8> {
    let suite = match envelope.suite() {
        Suite::Aes256Gcm => 1,
        _ => 2,
    };
    let rest = [&[suite], envelope.iv().as_slice(), envelope.tag(), envelope.ciphertext()].concat();
    let sql = "SELECT $1 || sha256($2)";
    query_scalar(sql).bind(envelope.commitment().as_slice()).bind(rest).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn a_payload_is_all_that_the_library_reads_but_the_wraps() {
    let Some(db) = database().await else { return };
    let mut all = envelopes();
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        // Every way in which base64 ends.
        all.extend((0..9).map(|len| envelope(suite, &["a", "b", "c"], WrapKind::Local, 60, &"x".repeat(len))));
    }
    let mut payloads = Vec::new();
    for envelope in &all {
        payloads.push(Some(expected(&db, envelope).await));
    }
    let bytes: Vec<_> = all.iter().map(|envelope| envelope.as_bytes().to_vec()).collect();
    assert!(of_bytes(&db, &bytes).await == payloads);
    let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert!(of_text(&db, &texts).await == payloads);
}

#[tokio::test]
async fn each_byte_of_a_row_is_in_the_payload_or_in_the_wraps() {
    let Some(db) = database().await else { return };
    for secret in ["sk-51", "sk-512", "sk-5123"] {
        let sealed = envelope(Suite::ChaCha20Poly1305, &["prod-2026", "eu/dr"], WrapKind::Provider, 7, secret);
        let (row, payload) = (sealed.as_bytes(), Some(expected(&db, &sealed).await));
        let wraps_end = row.len() - secret.len() - 76;
        let mac = wraps_end + 32..wraps_end + 48;
        let mut changed = Vec::new();
        for at in 0..row.len() {
            for flip in [0x01, 0x03, 0x80] {
                let mut row = row.to_vec();
                row[at] ^= flip;
                changed.push((at, row));
            }
        }
        let rows: Vec<_> = changed.iter().map(|(_, row)| row.clone()).collect();
        for ((at, row), found) in changed.iter().zip(of_bytes(&db, &rows).await) {
            match Envelope::from_bytes(row) {
                Ok(envelope) => assert_eq!(found, Some(expected(&db, &envelope).await), "{at}"),
                Err(_) => assert_eq!(found, None, "{at}"),
            }
            if *at == 3 || *at >= wraps_end {
                assert_eq!(found == payload, mac.contains(at), "{at}");
            }
        }

        // What is no envelope is no error, and has a payload at most if only its wraps are wrong.
        let text = sealed.to_string();
        let wraps_end = text.rmatch_indices(':').nth(3).unwrap().0;
        let mut changed: Vec<_> = (0..text.len()).map(|len| (len, text[..len].to_owned())).collect();
        for at in 0..text.len() {
            let new = ["", ":", ",", "=", "A", "B", "-", "é", "\n", "+"];
            changed.extend(new.map(|new| (at, [&text[..at], new, &text[at + 1..]].concat())));
        }
        let rows: Vec<_> = changed.iter().map(|(_, row)| row.clone()).collect();
        for ((at, row), found) in changed.iter().zip(of_text(&db, &rows).await) {
            match row.parse::<Envelope>() {
                Ok(envelope) => assert_eq!(found, Some(expected(&db, &envelope).await), "{at}"),
                Err(_) => assert!(found.is_none() || *at < wraps_end, "{at}"),
            }
        }
    }
}

/// A table with two key columns, one of them of text, which sorts in another way than its text.
struct Scene {
    db: PgPool,
    table: Table,
    old: Keyring,
    new: Keyring,
    /// The new keyring, with the old key disabled.
    alone: Keyring,
}

const ROWS: i32 = 600;

fn context(n: i32) -> EncryptionContext {
    EncryptionContext::new([("n", n.to_string())]).unwrap()
}

impl Scene {
    async fn new(form: &str) -> Option<Self> {
        let (db, _) = empty().await?;
        install(&mut db.acquire().await.unwrap()).await.unwrap();
        let create = format!(
            "CREATE TABLE credentials (\"a, tenant\" text COLLATE \"en-US-x-icu\", n int, envelope {form},
             PRIMARY KEY (\"a, tenant\", n))"
        );
        raw_sql(AssertSqlSafe(create)).execute(&db).await.unwrap();
        let table = Table::find(&mut db.acquire().await.unwrap(), "public", "credentials", &[], "envelope").await;
        let (a, b, c) = (key(), key(), key());
        let scene = Self {
            db,
            table: table.unwrap(),
            old: ring(&format!("primary old {a}; escrow dr {c}")),
            new: ring(&format!("primary new {b}; retired old {a}; escrow dr {c}")),
            alone: ring(&format!("primary new {b}; disabled old; escrow dr {c}")),
        };
        for n in 1..=ROWS {
            scene.insert(n, &scene.old).await;
        }
        Some(scene)
    }

    /// Inserts a row, with a text in its key that quoting or another collation would change.
    async fn insert(&self, n: i32, ring: &Keyring) {
        let tenant = ["a", "B", "é", "\"q\"", "{1,2}", "", "NULL", "a\\b"][usize::try_from(n % 8).unwrap()];
        let insert = query("INSERT INTO credentials VALUES ($1, $2, NULL)").bind(tenant).bind(n);
        insert.execute(&self.db).await.unwrap();
        self.update(n, ring).await;
    }

    /// Seals a row once more.
    async fn update(&self, n: i32, ring: &Keyring) {
        let sealed = ring.seal(&format!("secret {n}").into(), &context(n)).unwrap();
        let (value, bytes) = match self.table.form() {
            Form::Binary => ("$2", sealed.as_bytes().to_vec()),
            _ => ("convert_from($2, 'UTF8')", sealed.to_string().into_bytes()),
        };
        let update = format!("UPDATE credentials SET envelope = {value} WHERE n = $1");
        let update = query(AssertSqlSafe(update)).bind(n).bind(bytes).execute(&self.db).await;
        assert_eq!(update.unwrap().rows_affected(), 1);
    }

    async fn run(&self, sql: &str) {
        raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.db).await.unwrap();
    }

    async fn plan(&self) -> Job {
        let options = Options { page: 50, prove: true, ..Options::default() };
        let db = &mut *self.db.acquire().await.unwrap();
        Job::plan_rotation(db, &self.table, &self.new, self.new.primary().unwrap(), &options).await.unwrap()
    }

    async fn work(&self, job: &Job, ring: &Keyring) -> u64 {
        job.work(&self.db, ring, &Limits::default(), |_| {}).await.unwrap().failed
    }

    async fn proof(&self, job: &Job) -> Proof {
        job.proof(&mut self.db.acquire().await.unwrap()).await.unwrap().unwrap()
    }

    /// Returns how many rows do not verify.
    async fn unverified(&self) -> u64 {
        let db = &mut *self.db.acquire().await.unwrap();
        let job = Job::plan_verification(db, &self.table, &self.alone, &Options::default()).await.unwrap();
        self.work(&job, &self.alone).await
    }
}

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(key_id, rows)| ((*key_id).to_owned(), *rows)).collect()
}

/// Returns unchanged, damaged, sealed, gone, added and not_envelopes.
const fn numbers(proof: &Proof) -> [u64; 6] {
    [proof.unchanged, proof.damaged, proof.sealed, proof.gone, proof.added, proof.not_envelopes]
}

/// What ROTATION.md tells to run.
async fn digest_by_hand(scene: &Scene) -> String {
    let page = include_str!("../../ROTATION.md");
    let sql = page.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0;
    let sql = sql.replace("ARRAY[id::text]", "ARRAY[\"a, tenant\"::text, n::text]");
    query_scalar(AssertSqlSafe(sql)).fetch_one(&scene.db).await.unwrap()
}

#[tokio::test]
async fn a_rotation_beside_which_nobody_writes_keeps_every_payload() {
    for form in ["bytea", "text"] {
        let Some(scene) = Scene::new(form).await else { return };
        let (planned_digest, job) = (digest_by_hand(&scene).await, scene.plan().await);
        // The snapshot alone proves nothing.
        let partial = scene.proof(&job).await;
        assert_eq!((partial.verdict, numbers(&partial)), (ProofVerdict::Unfinished, [600, 0, 0, 0, 0, 0]));
        assert_eq!(partial.by_key_id_after, counts(&[("old", 600), ("dr", 600)]));
        assert_eq!(scene.work(&job, &scene.new).await, 0);
        let proof = scene.proof(&job).await;
        assert_eq!((proof.verdict, numbers(&proof)), (ProofVerdict::Unchanged, [600, 0, 0, 0, 0, 0]));
        assert_eq!(proof.by_key_id_before, counts(&[("old", 600), ("dr", 600)]));
        assert_eq!(proof.by_key_id_after, counts(&[("new", 600), ("dr", 600)]));
        assert_eq!([&proof.before, &proof.after], [&planned_digest, &planned_digest]);
        assert_eq!(digest_by_hand(&scene).await, planned_digest);
        assert_eq!(scene.unverified().await, 0);

        // The snapshot is no column that somebody has forgotten, whatever it has, and goes when it is asked to.
        let db = &mut *scene.db.acquire().await.unwrap();
        let commitment = format!("UPDATE sealwax.payloads SET payload = '\\x53570101' WHERE job = {}", job.id());
        scene.run(&commitment).await;
        assert_eq!(find(db, std::slice::from_ref(&scene.table), &[]).await.unwrap(), []);
        let other = scene.plan().await;
        job.forget_snapshot(db).await.unwrap();
        assert_eq!(job.proof(db).await.unwrap(), None);
        let left: Vec<i64> = query_scalar("SELECT DISTINCT job FROM sealwax.payloads").fetch_all(db).await.unwrap();
        assert_eq!(left, [other.id()]);
    }
}

#[tokio::test]
async fn rows_that_others_write_are_counted_and_no_more() {
    for form in ["bytea", "text"] {
        let Some(scene) = Scene::new(form).await else { return };
        scene.run("UPDATE credentials SET envelope = NULL WHERE n IN (1, 2)").await;
        scene.run("UPDATE credentials SET envelope = 'sk-in-the-clear' WHERE n IN (3, 4, 5)").await;
        let job = scene.plan().await;
        // Customers before, during and after the work.
        for n in 11..=17 {
            scene.update(n, &scene.old).await;
        }
        let customers = async {
            for n in 101..=120 {
                scene.update(n, &scene.new).await;
            }
            scene.run("DELETE FROM credentials WHERE n BETWEEN 201 AND 203").await;
            scene.insert(1_001, &scene.new).await;
        };
        let (failed, ()) = tokio::join!(scene.work(&job, &scene.new), customers);
        assert_eq!(failed, 3);
        for n in [1, 3, 11, 101, 300] {
            scene.update(n, &scene.new).await;
        }
        scene.run("UPDATE credentials SET envelope = NULL WHERE n = 204").await;
        // Another tenant's row moved: to a proof, one is gone and one is added.
        scene.run("UPDATE credentials SET n = 1002 WHERE n = 205").await;
        let proof = scene.proof(&job).await;
        let sealed = 7 + 20 + 1; // 300 too; 11 and 101 twice.
        // Gone are 201 to 205; added are 1, 3, 1001 and 1002; 4 and 5 never were envelopes.
        assert_eq!(numbers(&proof), [595 - sealed - 5, 0, sealed, 5, 4, 2]);
        assert_eq!((proof.verdict, &proof.before), (ProofVerdict::Unchanged, &proof.after));
        assert_ne!(proof.before, digest_by_hand(&scene).await);
        assert_eq!(proof.by_key_id_before, counts(&[("old", 595), ("dr", 595)]));
        assert_eq!(proof.by_key_id_after, counts(&[("new", 594), ("dr", 594)]));
    }
}

#[tokio::test]
async fn a_proof_and_a_verification_together_see_every_bit() {
    let Some(scene) = Scene::new("bytea").await else { return };
    let job = scene.plan().await;
    assert_eq!(scene.work(&job, &scene.new).await, 0);
    let whole = scene.proof(&job).await;
    // From the end: secrets of "secret 100" have 10 bytes, then tag, IV, MAC and commitment.
    let places = [
        ("ciphertext", 5, ProofVerdict::Damaged, 0, 1, 0),
        ("tag", 20, ProofVerdict::Damaged, 1, 1, 0),
        ("IV", 30, ProofVerdict::Damaged, 1, 1, 0),
        ("MAC", 45, ProofVerdict::Unchanged, 1, 0, 0),
        ("commitment", 60, ProofVerdict::Unchanged, 1, 0, 1),
    ];
    for (name, from_end, verdict, unverified, damaged, sealed) in places {
        let flip = format!(
            "UPDATE credentials SET envelope = set_byte(envelope, octet_length(envelope) - {from_end},
                 get_byte(envelope, octet_length(envelope) - {from_end}) # 1) WHERE n = 100"
        );
        scene.run(&flip).await;
        let proof = scene.proof(&job).await;
        assert_eq!(proof.verdict, verdict, "{name}");
        assert_eq!(numbers(&proof), [600 - damaged - sealed, damaged, sealed, 0, 0, 0], "{name}");
        assert_eq!(proof.before == proof.after, verdict == ProofVerdict::Unchanged, "{name}");
        // A damaged row is in both digests.
        assert_eq!(proof.before == whole.before, sealed == 0, "{name}");
        assert_eq!(scene.unverified().await, unverified, "{name}");
        scene.run(&flip).await;
        assert_eq!(scene.proof(&job).await, whole, "{name}");
    }

    // A value that is an envelope no more is damaged. Rows that somebody exchanges seem to be sealed again.
    scene.run("CREATE TABLE kept AS SELECT * FROM credentials").await;
    scene.run("UPDATE credentials SET envelope = substring(envelope FROM 2) WHERE n = 100").await;
    let proof = scene.proof(&job).await;
    assert_eq!((proof.verdict, numbers(&proof)), (ProofVerdict::Damaged, [599, 1, 0, 0, 0, 1]));
    assert!(proof.before == whole.before && proof.after != whole.after);
    let exchange = "UPDATE credentials c SET envelope = k.envelope FROM kept k
        WHERE c.n IN (100, 101) AND k.n = 201 - c.n";
    scene.run(exchange).await;
    let proof = scene.proof(&job).await;
    assert_eq!((proof.verdict, numbers(&proof)), (ProofVerdict::Unchanged, [598, 0, 2, 0, 0, 0]));
    assert_eq!(scene.unverified().await, 0);

    scene.run("UPDATE credentials SET envelope = NULL").await;
    let proof = scene.proof(&job).await;
    assert_eq!((proof.verdict, numbers(&proof)), (ProofVerdict::NothingCompared, [0, 0, 0, 600, 0, 0]));
}

#[tokio::test]
async fn only_a_rotation_that_is_to_be_proved_has_a_proof() {
    let Some(scene) = Scene::new("text").await else { return };
    let db = &mut *scene.db.acquire().await.unwrap();
    let proves = Options { prove: true, ..Options::default() };
    let context = RowContext::new([("n", "{n}")]);
    let verification = Job::plan_verification(db, &scene.table, &scene.new, &proves).await;
    assert!(matches!(verification, Err(PlanError::NoProof { kind: Kind::Verify, .. })));
    let audit = Job::plan_audit(db, &scene.table, &scene.new, &context.unwrap(), &proves).await;
    assert!(matches!(audit, Err(PlanError::NoProof { kind: Kind::Audit, .. })));
    assert_eq!(Job::unfinished(db).await.unwrap(), [0_i64; 0]);

    let primary = scene.new.primary().unwrap();
    let job = Job::plan_rotation(db, &scene.table, &scene.new, primary, &Options::default()).await.unwrap();
    assert_eq!(job.proof(db).await.unwrap(), None);
    // A job that has changed nothing proves nothing.
    let proves = Options { replace: true, ..proves };
    let dry = Options { dry_run: true, ..proves.clone() };
    let job = Job::plan_rotation(db, &scene.table, &scene.new, primary, &dry).await.unwrap();
    scene.work(&job, &scene.new).await;
    assert_eq!(job.proof(db).await.unwrap().unwrap().verdict, ProofVerdict::Unfinished);
    let job = Job::plan_rotation(db, &scene.table, &scene.new, primary, &proves).await.unwrap();
    Job::cancel(db, job.id()).await.unwrap();
    assert_eq!(job.proof(db).await.unwrap().unwrap().verdict, ProofVerdict::Unfinished);
    // An empty table has a proof, of nothing.
    scene.run("TRUNCATE credentials").await;
    let job = Job::plan_rotation(db, &scene.table, &scene.new, primary, &proves).await.unwrap();
    assert_eq!(scene.work(&job, &scene.new).await, 0);
    let proof = job.proof(db).await.unwrap().unwrap();
    assert_eq!((proof.verdict, numbers(&proof)), (ProofVerdict::NothingCompared, [0; 6]));
    // The SHA-256 of nothing.
    assert!(proof.before == proof.after && proof.before.starts_with("e3b0c442"));

    // Whoever may not see every row gets no proof.
    let name: String = query_scalar("SELECT 'reader_' || current_database()").fetch_one(&mut *db).await.unwrap();
    let role = format!(
        "CREATE ROLE {name}; GRANT USAGE ON SCHEMA sealwax TO {name};
         GRANT SELECT ON ALL TABLES IN SCHEMA sealwax, public TO {name}"
    );
    scene.run(&role).await;
    raw_sql(AssertSqlSafe(format!("SET ROLE {name}"))).execute(&mut *db).await.unwrap();
    assert!(job.proof(db).await.unwrap().is_some());
    scene.run("ALTER TABLE credentials ENABLE ROW LEVEL SECURITY").await;
    let hidden = job.proof(db).await.unwrap_err();
    assert_eq!(hidden.as_database_error().unwrap().code().as_deref(), Some("42501"));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn seconds_of_a_proof() {
    for thousands in [1_000, 10_000_i64] {
        let Some(db) = database().await else { return };
        let old = ring(&format!("primary old {}", key()));
        let envelopes: Vec<_> =
            (0..1_000).map(|n| old.seal(&format!("secret {n}").into(), &context(n)).unwrap()).collect();
        let envelopes: Vec<_> = envelopes.iter().map(Envelope::as_bytes).collect();
        let fill = "INSERT INTO credentials SELECT n, ($1::bytea[])[1 + n % 1000] FROM generate_series(1, 1000 * $2) n";
        raw_sql("CREATE TABLE credentials (id bigint PRIMARY KEY, envelope bytea)").execute(&db).await.unwrap();
        query(fill).bind(envelopes).bind(thousands).execute(&db).await.unwrap();
        raw_sql("VACUUM ANALYZE credentials").execute(&db).await.unwrap();
        let db = &mut *db.acquire().await.unwrap();
        let table = Table::find(db, "public", "credentials", &[], "envelope").await.unwrap();
        for prove in [false, true] {
            let (start, options) = (Instant::now(), Options { prove, replace: true, ..Options::default() });
            let job = Job::plan_rotation(db, &table, &old, old.primary().unwrap(), &options).await.unwrap();
            println!("{thousands},000 rows, planned with prove = {prove}: {:?}", start.elapsed());
            let start = Instant::now();
            if let Some(proof) = job.proof(db).await.unwrap() {
                let sizes = "SELECT pg_table_size('credentials') || ' and ' || pg_table_size('sealwax.payloads')";
                let sizes: String = query_scalar(sizes).fetch_one(&mut *db).await.unwrap();
                println!("{} rows compared: {:?}, {sizes} bytes", proof.unchanged, start.elapsed());
                assert_eq!(proof.verdict, ProofVerdict::Unfinished);
            }
        }
    }
}
