//! The SQL of `sealwax-tokens` for PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use sealwax_tokens::sql::postgres;
use sealwax_tokens::{
    Change, Existing, Grant, InsertParameters, Mode, Pepper, Peppers, Raced, Record, Rotation, Salt, ShowOnce, State,
    SwapParameters, TokenError, TokenId, Tokens,
};
use sqlx::{PgPool, query, query_as, query_scalar, raw_sql};

use crate::server;

const NOW: u64 = 1_790_000_000;
const SUBJECT: &str = "tenant/42";
const HOUR: Duration = Duration::from_secs(3600);

struct Service {
    db: PgPool,
    tokens: Tokens,
}

impl Service {
    /// Inserts what was issued or converted.
    async fn insert(&self, parameters: InsertParameters) {
        let row = parameters.into_iter().fold(query(postgres::INSERT), |row, parameter| row.bind(parameter));
        assert_eq!(row.execute(&self.db).await.unwrap().rows_affected(), 1);
    }

    async fn issue(&self, grant: Grant) -> (String, TokenId) {
        let issued = self.tokens.issue(grant).unwrap();
        self.insert(issued.parameters()).await;
        (shown(issued.token), issued.claims.id)
    }

    async fn find(&self, token: &str, now: u64) -> Result<(Record, bool), TokenError> {
        let [keys, now] = self.tokens.lookup_keys(token)?.parameters(now);
        let row = query_as(postgres::FIND).bind(keys).bind(now);
        let found: Option<(String, bool)> = row.fetch_optional(&self.db).await.unwrap();
        let (record, is_due) = found.ok_or(TokenError::Unknown)?;
        Ok((record.parse()?, is_due))
    }

    async fn write<T>(&self, change: Change<T>) -> Result<T, Raced> {
        let rows = self.swap(change.parameters()).await;
        change.finish(rows == 1)
    }

    async fn swap(&self, parameters: SwapParameters) -> u64 {
        let row = parameters.into_iter().fold(query(postgres::SWAP), |row, parameter| row.bind(parameter));
        row.execute(&self.db).await.unwrap().rows_affected()
    }

    async fn verify(&self, token: &str, now: u64) -> Result<State, TokenError> {
        let (record, _) = self.find(token, now).await?;
        let verified = self.tokens.verify(token, &record, now, "read")?;
        if let Some(change) = verified.change {
            // If somebody else is first, there is nothing to do.
            let (Ok(()) | Err(_)) = self.write(*change).await;
        }
        Ok(verified.claims.state)
    }

    async fn get(&self, id: TokenId) -> Record {
        let record: String = query_scalar(postgres::GET).bind(id.to_string()).fetch_one(&self.db).await.unwrap();
        record.parse().unwrap()
    }

    async fn rotate(&self, id: TokenId, rotation: Rotation) -> String {
        let change = self.tokens.rotate(&self.get(id).await, SUBJECT, rotation).unwrap();
        shown(self.write(change).await.unwrap().token)
    }

    async fn salted(&self) -> Vec<String> {
        query_scalar(postgres::SALTED).fetch_all(&self.db).await.unwrap()
    }
}

fn shown(token: ShowOnce) -> String {
    token.into_secret().unwrap().expose_str().unwrap().to_owned()
}

fn grant() -> Grant {
    Grant::new(SUBJECT, ["read"]).unwrap()
}

/// Returns a service over an empty table, with two peppers.
async fn service() -> Option<Arc<Service>> {
    let (db, _) = server::empty().await?;
    for _ in 0..2 {
        raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    }
    let line = |state: &str, id: &str| {
        let pepper = Pepper::generate().unwrap().to_text();
        format!("{state} {id} {}\n", pepper.expose_str().unwrap())
    };
    let peppers: Peppers = [line("primary", "tokens-2026"), line("retired", "tokens-2025")].concat().parse().unwrap();
    let tokens = Tokens::new(peppers, Mode::Live, "acme_live_".parse().unwrap()).accept_existing([]);
    Some(Arc::new(Service { db, tokens }))
}

#[tokio::test]
async fn a_token_is_rotated_revoked_and_noted() {
    let Some(service) = service().await else { return };
    let (token, id) = service.issue(grant()).await;
    assert_eq!(service.verify(&token, NOW).await, Ok(State::Active));
    let seen = service.get(id).await;
    let rotation = |now, grace| Rotation { now, grace, expires: None };
    let rotate = || service.tokens.rotate(&seen, SUBJECT, rotation(NOW, HOUR)).unwrap();
    let lost = shown(service.write(rotate()).await.unwrap().token);
    assert!(service.write(rotate()).await.is_err(), "the record is another one by now");
    assert_eq!(service.verify(&token, NOW + 3599).await, Ok(State::Replaced));
    assert_eq!(service.verify(&token, NOW + 3600).await, Err(TokenError::Expired));
    let new = service.rotate(id, rotation(NOW, Duration::from_secs(1))).await;
    assert_eq!(service.verify(&token, NOW + 3599).await, Ok(State::Replaced));
    assert_eq!(service.verify(&lost, NOW).await, Err(TokenError::Unknown));
    assert_eq!(service.verify(&new, NOW).await, Ok(State::Successor));
    assert_eq!(service.verify(&new, NOW).await, Ok(State::Active));
    assert_eq!(service.verify(&token, NOW).await, Err(TokenError::Unknown));

    let is_due = async |now| service.find(&new, now).await.unwrap().1;
    let note = async |now: u64| {
        let note = query(postgres::USED).bind(id.to_string()).bind(now.to_string());
        note.execute(&service.db).await.unwrap().rows_affected()
    };
    assert!(is_due(NOW).await);
    assert_eq!((note(NOW).await, note(NOW + 299).await), (1, 0));
    assert!(!is_due(NOW + 299).await && is_due(NOW + 300).await);
    assert_eq!(note(NOW + 300).await, 1);
    let listed: Vec<(String, Option<i64>)> =
        query_as(postgres::LIST).bind(SUBJECT).fetch_all(&service.db).await.unwrap();
    assert_eq!(listed, [(service.get(id).await.to_string(), Some(i64::try_from(NOW + 300).unwrap()))]);

    let revoke = service.tokens.revoke(&service.get(id).await, SUBJECT).unwrap();
    assert_eq!(service.write(revoke).await.unwrap().state, State::Revoked);
    assert_eq!(service.verify(&new, NOW).await, Err(TokenError::Revoked));
    let deleted = query(postgres::DELETE).bind(id.to_string()).execute(&service.db).await.unwrap();
    assert_eq!(deleted.rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_one_redeems_a_token() {
    let Some(service) = service().await else { return };
    let (token, _) = service.issue(grant().single_use()).await;
    let (record, _) = service.find(&token, NOW).await.unwrap();
    let started = Arc::new(tokio::sync::Barrier::new(64));
    let all = (0..64).map(|_| {
        let (service, started) = (Arc::clone(&service), Arc::clone(&started));
        let redemption = service.tokens.redeem(&token, &record, NOW, "read").unwrap();
        tokio::spawn(async move {
            started.wait().await;
            service.write(redemption).await.map(|claims| claims.grant).map_err(TokenError::from)
        })
    });
    let (mut won, mut spent) = (0, 0);
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(redeemed) => won += u32::from(redeemed == grant().single_use()),
            Err(error) => spent += u32::from(error == TokenError::Spent),
        }
    }
    assert_eq!((won, spent), (1, 63));
    let (record, _) = service.find(&token, NOW).await.unwrap();
    assert_eq!(service.tokens.redeem(&token, &record, NOW, "read").unwrap_err(), TokenError::Spent);
}

#[tokio::test]
async fn salted_tokens_are_tried_until_they_are_used() {
    let Some(service) = service().await else { return };
    // SHA-256 of the bytes 00 ff 10 and tok_9f3b61c2d7, and of the latter alone.
    let salted = "19d2377d29b90f74675d2c7757d32a174f305b73f275496863b5f264d85799aa".parse().unwrap();
    let bare = "9cf1e9d214c91268078eb122b3f1cb4cfeaa4ad1e21903d52bdb8e5be6a961ba".parse().unwrap();
    let all = [Existing::SaltBefore(Salt::from_hex("00ff10").unwrap(), salted), Existing::Sha256(bare)];
    for existing in &all {
        let converted = service.tokens.convert(existing, grant()).unwrap();
        service.insert(converted.parameters()).await;
        let found = service.verify("tok_9f3b61c2d7", NOW).await;
        if let Existing::Sha256(_) = existing {
            assert_eq!((found, service.salted().await.len()), (Ok(State::Active), 0));
            continue;
        }
        assert_eq!((found, service.salted().await.len()), (Err(TokenError::Unknown), 1));
        let record = service.tokens.search("tok_9f3b61c2d7", service.salted().await).unwrap();
        let verified = service.tokens.verify("tok_9f3b61c2d7", &record, NOW, "read").unwrap();
        service.write(*verified.change.unwrap()).await.unwrap();
        assert_eq!((service.verify("tok_9f3b61c2d7", NOW).await, service.salted().await.len()), (Ok(State::Active), 0));
        // The same token of another kind would have the same lookup key at its first use.
        query("DELETE FROM sealwax_tokens").execute(&service.db).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_is_searched_by_what_its_record_has() {
    let Some(service) = service().await else { return };
    let (_, id) = service.issue(grant()).await;
    let before = service.get(id).await;
    let other = service.tokens.issue(grant()).unwrap().record;
    let refused = [
        format!("UPDATE sealwax_tokens SET lookup = '{}'", other.lookup_key()),
        format!("UPDATE sealwax_tokens SET record = '{other}'"),
        format!("UPDATE sealwax_tokens SET previous = '{other}'"),
        format!("UPDATE sealwax_tokens SET previous_lookup = '{}'", other.lookup_key()),
        format!("UPDATE sealwax_tokens SET previous = '{other}', previous_lookup = '{}'", before.lookup_key()),
        format!(
            "INSERT INTO sealwax_tokens (id, subject, lookup, record, expires) VALUES ('b', 's', '{}', '{before}', 1)",
            before.lookup_key()
        ),
    ];
    for sql in refused {
        let refused = query(sqlx::AssertSqlSafe(sql.clone())).execute(&service.db).await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(service.get(id).await, before);
}

/// A salted token that was rotated out keeps its grace, and one that was revoked is tried no more.
#[tokio::test]
async fn a_salted_token_that_was_rotated_out_is_still_tried() {
    let Some(service) = service().await else { return };
    let salted = "19d2377d29b90f74675d2c7757d32a174f305b73f275496863b5f264d85799aa".parse().unwrap();
    let existing = Existing::SaltBefore(Salt::from_hex("00ff10").unwrap(), salted);
    let converted = service.tokens.convert(&existing, grant()).unwrap();
    service.insert(converted.parameters()).await;
    let id = converted.claims.id;
    let new = service.rotate(id, Rotation { now: NOW, grace: HOUR, expires: None }).await;
    let record = service.tokens.search("tok_9f3b61c2d7", service.salted().await).unwrap();
    assert!(service.tokens.verify("tok_9f3b61c2d7", &record, NOW + 3599, "read").is_ok());
    assert!(service.verify(&new, NOW).await.is_ok());
    assert_eq!(service.salted().await.len(), 0);
}

/// A revocation, two rotations and the first use of a token that was rotated in, at once. One is first, and the row is what
/// it wrote, whole.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_changes_one_is_written() {
    let Some(service) = service().await else { return };
    for round in 0..16 {
        let (_, id) = service.issue(grant()).await;
        let rotation = Rotation { now: NOW, grace: HOUR, expires: None };
        let new = service.rotate(id, rotation).await;
        let seen = service.get(id).await;
        let tokens = &service.tokens;
        let rotate = || {
            let change = tokens.rotate(&seen, SUBJECT, rotation).unwrap();
            (change.record.clone(), change.parameters())
        };
        let first_use = tokens.verify(&new, &seen, NOW, "read").unwrap().change.unwrap();
        let revoke = tokens.revoke(&seen, SUBJECT).unwrap();
        let changes = [
            (revoke.record.clone(), revoke.parameters()),
            rotate(),
            rotate(),
            (first_use.record.clone(), first_use.parameters()),
        ];
        let started = Arc::new(tokio::sync::Barrier::new(changes.len()));
        let all = changes.map(|(record, parameters)| {
            let (service, started) = (Arc::clone(&service), Arc::clone(&started));
            tokio::spawn(async move {
                started.wait().await;
                (service.swap(parameters).await == 1).then_some(record)
            })
        });
        let mut written = Vec::new();
        for one in all {
            written.extend(one.await.unwrap());
        }
        assert_eq!(written, [service.get(id).await], "round {round}");
    }
}

#[tokio::test]
async fn expired_tokens_are_purged_and_those_under_a_pepper_counted() {
    let Some(service) = service().await else { return };
    service.issue(grant()).await;
    service.issue(grant().single_use().expires(NOW)).await;
    let (_, id) = service.issue(grant().expires(NOW + 99)).await;
    // The old one is valid for longer than the new one, which is rotated once more.
    for grace in [50, 1] {
        let rotation = Rotation { now: NOW, grace: Duration::from_secs(grace), expires: Some(NOW + 5) };
        service.rotate(id, rotation).await;
    }
    let under =
        async |pepper: &str| query_scalar::<_, i64>(postgres::UNDER).bind(pepper).fetch_one(&service.db).await.unwrap();
    assert_eq!((under("tokens-2026").await, under("tokens-2025").await, under("tokens-202").await), (3, 0, 0));
    let purge = async |now: u64| {
        let purged = query(postgres::PURGE).bind(now.to_string()).execute(&service.db).await.unwrap();
        purged.rows_affected()
    };
    assert_eq!((purge(NOW - 1).await, purge(NOW).await), (0, 1));
    assert_eq!((purge(NOW + 49).await, purge(NOW + 50).await), (0, 1));
    service.issue(grant().expires(NOW)).await;
    assert_eq!((purge(NOW * 1000).await, under("tokens-2026").await), (0, 2));
    assert_eq!((purge(100_000_000_000).await, under("tokens-2026").await), (1, 1));
}

/// Both searches use an index for each key, so they cost the same in a large table.
#[tokio::test]
async fn a_request_uses_indexes() {
    let Some(service) = service().await else { return };
    let mut connection = service.db.acquire().await.unwrap();
    query("SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
    let find = postgres::FIND.replace("$1", "'[\"a:b\"]'").replace("$2", "'1'");
    for (sql, index) in [(find.as_str(), "sealwax_tokens_lookup_key"), (postgres::SALTED, "sealwax_tokens_salted")] {
        let explain = format!("EXPLAIN {sql}");
        let plan: Vec<String> = query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
    }
}
