//! The SQL of `sealwax-tokens` for PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use sealwax_tokens::sql::postgres;
use sealwax_tokens::{
    Change, Existing, Grant, Mode, Pepper, Peppers, Record, Salt, ShowOnce, State, TokenError, TokenId, Tokens,
};
use sqlx::{PgPool, query, query_as, query_scalar, raw_sql};

use crate::server;

const NOW: u64 = 1_790_000_000;

struct Service {
    db: PgPool,
    tokens: Tokens,
}

impl Service {
    /// Inserts what was issued or converted.
    async fn insert(&self, (id, subject, lookup, record): (String, String, String, String)) {
        let row = query(postgres::INSERT).bind(id).bind(subject).bind(lookup).bind(record);
        assert_eq!(row.execute(&self.db).await.unwrap().rows_affected(), 1);
    }

    async fn issue(&self, grant: Grant) -> (String, TokenId) {
        let issued = self.tokens.issue(grant).unwrap();
        self.insert(issued.parameters()).await;
        (shown(issued.token), issued.claims.id)
    }

    async fn find(&self, token: &str, now: u64) -> Result<(Record, bool), TokenError> {
        let keys: Vec<String> = self.tokens.lookup_keys(token)?.into_iter().map(String::from).collect();
        let row = query_as(postgres::FIND).bind(keys).bind(i64::try_from(now).unwrap());
        let found: Option<(String, bool)> = row.fetch_optional(&self.db).await.unwrap();
        let (record, is_due) = found.ok_or(TokenError::Unknown)?;
        Ok((record.parse()?, is_due))
    }

    async fn swap(&self, change: &Change) -> u64 {
        let (id, seen, lookup, record, previous_lookup, previous, keeps_previous) = change.parameters();
        let row = query(postgres::SWAP).bind(id).bind(seen).bind(lookup).bind(record);
        let row = row.bind(previous_lookup).bind(previous).bind(keeps_previous);
        row.execute(&self.db).await.unwrap().rows_affected()
    }

    async fn verify(&self, token: &str, now: u64) -> Result<State, TokenError> {
        let (record, _) = self.find(token, now).await?;
        let verified = self.tokens.verify(token, &record, now, "read")?;
        if let Some(change) = verified.change {
            self.swap(&change).await;
        }
        Ok(verified.claims.state)
    }

    async fn get(&self, id: TokenId) -> Record {
        let record: String = query_scalar(postgres::GET).bind(id.to_string()).fetch_one(&self.db).await.unwrap();
        record.parse().unwrap()
    }
}

fn shown(token: ShowOnce) -> String {
    token.into_secret().unwrap().expose_str().unwrap().to_owned()
}

fn grant() -> Grant {
    Grant::new("tenant/42", ["read"]).unwrap()
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
    let hour = Duration::from_secs(3600);
    let lost = service.tokens.rotate(&service.get(id).await, NOW, hour, None).unwrap();
    assert_eq!((service.swap(&lost.change).await, service.swap(&lost.change).await), (1, 0));
    assert_eq!(service.verify(&token, NOW + 3599).await, Ok(State::Replaced));
    assert_eq!(service.verify(&token, NOW + 3600).await, Err(TokenError::Expired));
    let again = service.tokens.rotate(&service.get(id).await, NOW, Duration::ZERO, None).unwrap();
    assert_eq!(service.swap(&again.change).await, 1);
    assert_eq!(service.verify(&token, NOW + 3599).await, Ok(State::Replaced));
    assert_eq!(service.verify(&shown(lost.token), NOW).await, Err(TokenError::Unknown));
    let new = shown(again.token);
    assert_eq!(service.verify(&new, NOW).await, Ok(State::Successor));
    assert_eq!(service.verify(&new, NOW).await, Ok(State::Active));
    assert_eq!(service.verify(&token, NOW).await, Err(TokenError::Unknown));

    let is_due = async |now| service.find(&new, now).await.unwrap().1;
    let note = async |now: i64| {
        let note = query(postgres::USED).bind(id.to_string()).bind(now);
        note.execute(&service.db).await.unwrap().rows_affected()
    };
    assert!(is_due(NOW).await);
    let now = i64::try_from(NOW).unwrap();
    assert_eq!((note(now).await, note(now + 299).await), (1, 0));
    assert!(!is_due(NOW + 299).await && is_due(NOW + 300).await);
    assert_eq!(note(now + 300).await, 1);
    let listed: Vec<(String, Option<i64>)> =
        query_as(postgres::LIST).bind("tenant/42").fetch_all(&service.db).await.unwrap();
    assert_eq!(listed, [(service.get(id).await.to_string(), Some(now + 300))]);

    let revoked = service.tokens.revoke(&service.get(id).await).unwrap();
    assert_eq!(service.swap(&revoked).await, 1);
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
            let rows = service.swap(redemption.change()).await;
            redemption.finish(rows).map(|claims| claims.grant)
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
    let rows = async || query_scalar::<_, String>(postgres::SALTED).fetch_all(&service.db).await.unwrap();
    for existing in &all {
        let converted = service.tokens.convert(existing, grant()).unwrap();
        service.insert(converted.parameters()).await;
        let found = service.verify("tok_9f3b61c2d7", NOW).await;
        if let Existing::Sha256(_) = existing {
            assert_eq!((found, rows().await.len()), (Ok(State::Active), 0));
            continue;
        }
        assert_eq!((found, rows().await.len()), (Err(TokenError::Unknown), 1));
        let record = rows().await.remove(0).parse().unwrap();
        let verified = service.tokens.verify("tok_9f3b61c2d7", &record, NOW, "read").unwrap();
        assert_eq!(service.swap(&verified.change.unwrap()).await, 1);
        assert_eq!((service.verify("tok_9f3b61c2d7", NOW).await, rows().await.len()), (Ok(State::Active), 0));
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
            "INSERT INTO sealwax_tokens (id, subject, lookup, record) VALUES ('b', 's', '{}', '{before}')",
            before.lookup_key()
        ),
    ];
    for sql in refused {
        let refused = query(sqlx::AssertSqlSafe(sql.clone())).execute(&service.db).await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(service.get(id).await, before);
}
