//! A service that hands out tokens, with a table of SQLite:
//! `cargo run -p sealwax-tokens --features serde --example tokens`.
//!
//! ```text
//! issued, and shown once: {"key":"acme_live_…"}
//! shown again: the token was already shown
//! read: tenant/42; write: tenant/42; admin: scope
//! a typo: malformed; another token: unknown
//! narrowed to read: read: tenant/42; write: scope
//! rotated, with a grace of an hour: old: tenant/42; new: tenant/42; old, after the new one was used: unknown
//! rotated, and an hour later: old: expired; new: tenant/42
//! two uses, noted: [true, false]; revoked by another tenant: the token is another subject's; by its own: revoked
//! a table's thief adds a scope: altered
//! a link to sign in: user/7; once more: spent; by 64 at once: 1 signed in
//! a salted table is converted: tenant/9; its rows that are not upgraded: 1 of 2
//! the bearer is told: 401 {"error":"invalid_token"}
//! an upstream key for tests: taken by tests; by production: refused
//! ```

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Params};
use sealwax::{Keyring, KeyringError, MasterKey};
use sealwax_tokens::sql::sqlite;
use sealwax_tokens::{
    Change, Claims, Existing, Grant, Issued, Mode, OldDigest, Pepper, Peppers, Record, Rotated,
    Rotation, Salt, ShowOnce, TokenError, TokenId, Tokens,
};
use sha2::{Digest, Sha256};

type AnyError = Box<dyn Error + Send + Sync>;

struct Service {
    tokens: Tokens,
    table: Mutex<Connection>,
}

// What a service adds for its tokens, with rotation: fewer than 50 lines.

impl Service {
    fn issue(&self, grant: Grant) -> Result<Issued, AnyError> {
        let issued = self.tokens.issue(grant)?;
        self.table().execute(sqlite::INSERT, issued.parameters())?;
        Ok(issued)
    }

    fn authorise(&self, token: &str, now: u64, scope: &str) -> Result<Claims, AnyError> {
        let keys = self.tokens.lookup_keys(token)?;
        self.verify(token, &self.record(sqlite::FIND, keys.parameters(now))?, now, scope)
    }

    fn verify(
        &self,
        token: &str,
        record: &Record,
        now: u64,
        scope: &str,
    ) -> Result<Claims, AnyError> {
        let verified = self.tokens.verify(token, record, now, scope)?;
        // If somebody else is first, there is nothing to do. If it fails, the token is valid all the same.
        if let Some(change) = verified.change
            && let Err(error) = self.table().execute(sqlite::SWAP, change.parameters())
        {
            eprintln!("the change of token {} was not written: {error}", change.id);
        }
        Ok(verified.claims)
    }

    fn rotate(&self, id: TokenId, subject: &str, to: Rotation) -> Result<Rotated, AnyError> {
        let record = self.get(id)?;
        self.write(self.tokens.rotate(&record, subject, to)?)
    }

    fn revoke(&self, id: TokenId, subject: &str) -> Result<Claims, AnyError> {
        let record = self.get(id)?;
        self.write(self.tokens.revoke(&record, subject)?)
    }

    fn write<T>(&self, change: Change<T>) -> Result<T, AnyError> {
        let rows = self.table().execute(sqlite::SWAP, change.parameters())?;
        Ok(change.finish(rows == 1)?)
    }

    fn record(&self, sql: &str, by: impl Params) -> Result<Record, AnyError> {
        let row = self.table().query_row(sql, by, |row| row.get::<_, String>(0));
        Ok(Record::from_row(row.optional()?)?)
    }
}

/// Tests have keys of their own, and production takes none of them.
fn keyring(mode: Mode, text: &str) -> Result<Keyring, KeyringError> {
    if mode == Mode::Test { Keyring::from_test_text(text) } else { text.parse() }
}

// The rest shows it at work.

const NOW: u64 = 1_790_000_000;
const LATER: u64 = NOW + 3600;
const HOUR: Duration = Duration::from_secs(3600);

/// The answer to the request that made a token.
struct Shown(String);

impl Service {
    fn table(&self) -> MutexGuard<'_, Connection> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: TokenId) -> Result<Record, AnyError> {
        self.record(sqlite::GET, [id.to_string()])
    }

    /// Says whom a token is for, or why it is refused.
    fn say(&self, token: &Shown, now: u64, scope: &str) -> String {
        match self.authorise(&token.0, now, scope) {
            Ok(claims) => claims.grant.subject().into(),
            Err(error) => name(&error),
        }
    }

    fn sign_in(&self, token: &Shown) -> Result<Claims, TokenError> {
        let keys = self.tokens.lookup_keys(&token.0)?.parameters(NOW);
        let record = self.record(sqlite::FIND, keys).map_err(|_| TokenError::Unknown)?;
        let redemption = self.tokens.redeem(&token.0, &record, NOW, "sign-in")?;
        let rows = self.table().execute(sqlite::SWAP, redemption.parameters());
        Ok(redemption.finish(rows == Ok(1))?)
    }

    /// Also tries the rows that have a salt of their own. Another request may upgrade one between the two searches.
    fn authorise_salted(&self, token: &str) -> Result<Claims, AnyError> {
        if let Ok(claims) = self.authorise(token, NOW, "read") {
            return Ok(claims);
        }
        match self.tokens.search(token, self.salted()?) {
            Err(TokenError::Unknown) => self.authorise(token, NOW, "read"),
            found => self.verify(token, &found?, NOW, "read"),
        }
    }

    fn salted(&self) -> rusqlite::Result<Vec<String>> {
        self.table().prepare(sqlite::SALTED)?.query_map([], |row| row.get(0))?.collect()
    }

    /// Writes down when a token was last used: at most once in five minutes, however often that is.
    fn note_use(&self, token: &Shown, id: TokenId) -> Result<bool, AnyError> {
        let by = self.tokens.lookup_keys(&token.0)?.parameters(NOW);
        let is_due = self.table().query_row(sqlite::FIND, by, |row| row.get(1))?;
        if is_due {
            self.table().execute(sqlite::USED, [id.to_string(), NOW.to_string()])?;
        }
        Ok(is_due)
    }
}

fn show(token: &ShowOnce) -> Result<Shown, AnyError> {
    Ok(Shown(serde_json::to_string(token)?.trim_matches('"').into()))
}

fn name(error: &AnyError) -> String {
    let token = error.downcast_ref::<TokenError>();
    token.map_or_else(|| error.to_string(), |error| error.name().into())
}

fn main() -> Result<(), AnyError> {
    let table = Connection::open_in_memory()?;
    table.execute_batch(sqlite::TABLES)?;
    // A service reads this text from where it keeps its secrets: with a new pepper, all tokens end.
    let peppers = format!("primary tokens-2026 {}", Pepper::generate()?.to_text().expose_str()?);
    let peppers: Peppers = peppers.parse()?;
    let tokens = Tokens::new(peppers, Mode::Live, "acme_live_".parse()?);
    let service = Service { tokens, table: Mutex::new(table) };

    let issued = service.issue(Grant::new("tenant/42", ["read", "write"])?)?;
    let (issued, id) = (issued.token, issued.claims.id);
    let token = show(&issued)?;
    println!("issued, and shown once: {{\"key\":\"{}…\"}}", token.0.get(..10).unwrap_or_default());
    let again = show(&issued).map_or_else(|error| error.to_string(), |_| "shown".into());
    println!("shown again: {again}");

    let [read, write, admin] = ["read", "write", "admin"].map(|of| service.say(&token, NOW, of));
    println!("read: {read}; write: {write}; admin: {admin}");
    let typo = Shown(token.0.replace("live_", "live_x"));
    let other = show(&service.tokens.issue(Grant::new("tenant/43", ["read"])?)?.token)?;
    let [typo, other] = [typo, other].map(|token| service.say(&token, NOW, "read"));
    println!("a typo: {typo}; another token: {other}");

    let record = service.get(id)?;
    let grant = service.tokens.inspect(&record)?.grant.with_scopes(["read"])?;
    service.write(service.tokens.narrow(&record, "tenant/42", grant)?)?;
    let [read, write] = ["read", "write"].map(|scope| service.say(&token, NOW, scope));
    println!("narrowed to read: read: {read}; write: {write}");

    let rotation = Rotation { now: NOW, grace: HOUR, expires: None };
    let new = show(&service.rotate(id, "tenant/42", rotation)?.token)?;
    let said = [&token, &new, &token].map(|token| service.say(token, NOW, "read"));
    let [old, used, ended] = said;
    println!(
        "rotated, with a grace of an hour: old: {old}; new: {used}; old, after the new one was used: {ended}"
    );
    let newer = show(&service.rotate(id, "tenant/42", rotation)?.token)?;
    let said = [&new, &newer].map(|token| service.say(token, LATER, "read"));
    println!("rotated, and an hour later: old: {}; new: {}", said[0], said[1]);
    let noted = [service.note_use(&newer, id)?, service.note_use(&newer, id)?];
    let another =
        service.revoke(id, "tenant/43").map_or_else(|error| error.to_string(), |_| "?".into());
    service.revoke(id, "tenant/42")?;
    println!(
        "two uses, noted: {noted:?}; revoked by another tenant: {another}; by its own: {}",
        service.say(&newer, NOW, "read")
    );

    let issued = service.issue(Grant::new("tenant/42", ["read"])?)?;
    let (token, id) = (show(&issued.token)?, issued.claims.id);
    let row = service.get(id)?.to_string();
    // The claims of a token that may do more, which the thief has as well.
    let wider = service.issue(Grant::new("tenant/42", ["admin", "read"])?)?.record.to_string();
    let claims = |row: &str| row.split(':').nth(3).map(String::from).unwrap_or_default();
    let altered = row.replace(&claims(&row), &claims(&wider));
    let update = "UPDATE sealwax_tokens SET record = ?1 WHERE id = ?2";
    service.table().execute(update, (altered, id.to_string()))?;
    println!("a table's thief adds a scope: {}", service.say(&token, NOW, "admin"));

    let link =
        || Ok::<_, AnyError>(Grant::new("user/7", ["sign-in"])?.expires(NOW + 600).single_use());
    let token = show(&service.issue(link()?)?.token)?;
    let first = service.sign_in(&token)?;
    let second = service.sign_in(&token).map_or_else(|error| error.name(), |_| "again");
    let token = show(&service.issue(link()?)?.token)?;
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..64).map(|_| scope.spawn(|| service.sign_in(&token).is_ok())).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|won| *won).count()
    });
    println!(
        "a link to sign in: {}; once more: {second}; by 64 at once: {won} signed in",
        first.grant.subject()
    );

    let service = Service { tokens: service.tokens.accept_existing([]), ..service };
    // The rows of another program: a salt, as hex, and the SHA-256 of salt and token.
    for (tenant, token) in [("tenant/8", "tok_8f2e"), ("tenant/9", "tok_31bc")] {
        let salt = Salt::from_hex("9d0c4e71")?;
        let hash = Sha256::new().chain_update([0x9d, 0x0c, 0x4e, 0x71]).chain_update(token);
        let old = Existing::SaltBefore(salt, OldDigest::from(<[u8; 32]>::from(hash.finalize())));
        let converted = service.tokens.convert(&old, Grant::new(tenant, ["read"])?)?;
        service.table().execute(sqlite::INSERT, converted.parameters())?;
    }
    let claims = service.authorise_salted("tok_31bc")?;
    let found = service.authorise("tok_31bc", NOW, "read")?;
    assert_eq!(claims.id, found.id);
    println!(
        "a salted table is converted: {}; its rows that are not upgraded: {} of 2",
        found.grant.subject(),
        service.salted()?.len()
    );

    let answer = TokenError::Expired.http_answer();
    println!("the bearer is told: {} {}", answer.status, answer.body);

    let key = MasterKey::generate_for_tests(7).to_text();
    let text = format!("primary test/mock {}", key.expose_str()?);
    let said =
        [Mode::Test, Mode::Live].map(|mode| keyring(mode, &text).map_or("refused", |_| "taken"));
    println!("an upstream key for tests: {} by tests; by production: {}", said[0], said[1]);
    Ok(())
}
