//! What customers and their programs do, and what may come of it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::dice::Dice;
use crate::scene::{Customer, Scene};

/// Their keys are sent in `Authorization`.
pub(super) const PROVIDERS: [&str; 3] = ["groq", "mistral", "openai"];
/// The last one leaves.
const CUSTOMERS: usize = 4;
/// How many programs use the keys of each.
const PROGRAMS: usize = 2;

/// Everybody, and what they did.
pub(super) struct Load {
    pub(super) accounts: Vec<Account>,
    is_over: AtomicBool,
    numbers: AtomicU64,
}

pub(super) struct Account {
    pub(super) tenant: String,
    pub(super) email: String,
    pub(super) token: String,
    pub(super) customer: Customer,
    /// Those of [`PROVIDERS`].
    pub(super) keys: [Mutex<History>; PROVIDERS.len()],
    leaving: AtomicUsize,
}

/// Of [`Account::leaving`].
const STAYS: usize = 0;
const ASKED: usize = 1;
const LEFT: usize = 2;

/// What was done to one key, in the order of the requests: what was stored, or `None` for a deletion.
pub(super) struct History {
    values: Vec<Option<String>>,
    /// The last that the dashboard acknowledged. Those that follow may have happened or not.
    settled: usize,
}

/// A request of a program, which is on its way or was answered.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// No other request has it.
    pub(super) path: String,
    /// `None` if the connection was cut.
    pub(super) status: Option<StatusCode>,
    /// What may have been stored at some time between the request and the answer.
    pub(super) possible: Vec<Option<String>>,
    /// Whether the account may have been left when the answer came, and whether it was left before the request.
    pub(super) may_be_gone: bool,
    pub(super) is_gone: bool,
}

impl Load {
    /// Signs everybody in.
    pub(super) async fn prepare(scene: &Scene) -> Self {
        let mut accounts = Vec::new();
        for number in 0..CUSTOMERS {
            let email = format!("customer-{number}@example.com");
            let customer = scene.sign_in(&email).await;
            accounts.push(Account {
                tenant: scene.rows(&format!("SELECT id FROM accounts WHERE email = '{email}'")).await.remove(0),
                token: customer.token("live", &PROVIDERS).await,
                keys: PROVIDERS.map(|_| Mutex::new(History { values: vec![None], settled: 0 })),
                leaving: AtomicUsize::new(STAYS),
                customer,
                email,
            });
        }
        Self { accounts, is_over: AtomicBool::new(false), numbers: AtomicU64::new(0) }
    }

    /// Begins with all requests, of which each task returns those to the proxy.
    pub(super) fn begin(self: &Arc<Self>, dice: &mut Dice, seconds: u64) -> JoinSet<Vec<Use>> {
        let mut tasks = JoinSet::new();
        for account in 0..CUSTOMERS {
            let leaves = (account == CUSTOMERS - 1).then(|| dice.milliseconds(seconds * 900));
            tasks.spawn(Arc::clone(self).manage(account, dice.split(), leaves));
            for _ in 0..PROGRAMS {
                tasks.spawn(Arc::clone(self).use_keys(account, dice.split()));
            }
        }
        tasks
    }

    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Returns who left.
    pub(super) fn gone(&self) -> &Account {
        self.accounts.last().unwrap()
    }

    async fn manage(self: Arc<Self>, account: usize, mut dice: Dice, leaves: Option<Duration>) -> Vec<Use> {
        let (account, begun) = (&self.accounts[account], Instant::now());
        while !self.is_over() {
            if leaves.is_some_and(|after| begun.elapsed() >= after) {
                account.leave().await;
                break;
            }
            let provider = dice.below(PROVIDERS.len());
            let value = (dice.below(4) > 0).then(|| format!("sk-chaos-{}-{}", account.tenant, self.number()));
            account.change(provider, value).await;
            sleep(dice.milliseconds(150)).await;
        }
        Vec::new()
    }

    async fn use_keys(self: Arc<Self>, account: usize, mut dice: Dice) -> Vec<Use> {
        let mut uses = Vec::new();
        while !self.is_over() {
            uses.push(self.use_key(&self.accounts[account], dice.below(PROVIDERS.len())).await);
            sleep(dice.milliseconds(60)).await;
        }
        uses
    }

    /// Uses a key of a customer.
    pub(super) async fn use_key(&self, account: &Account, provider: usize) -> Use {
        let path = format!("/chaos/{}", self.number());
        let is_gone = account.leaving.load(Ordering::SeqCst) == LEFT;
        let start = account.history(provider).settled;
        let request = account.customer.ask(Method::POST, &format!("/{}{path}", PROVIDERS[provider]), &account.token);
        let status = request.body("hello").send().await.ok().map(|reply| reply.status());
        Use {
            path,
            status,
            possible: account.history(provider).values[start..].to_vec(),
            may_be_gone: account.leaving.load(Ordering::SeqCst) != STAYS,
            is_gone,
        }
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }
}

impl Account {
    pub(super) fn history(&self, provider: usize) -> MutexGuard<'_, History> {
        self.keys[provider].lock().unwrap()
    }

    /// Stores, replaces or deletes a key.
    async fn change(&self, provider: usize, value: Option<String>) {
        let number = {
            let mut history = self.history(provider);
            history.values.push(value.clone());
            history.values.len() - 1
        };
        let slug = PROVIDERS[provider];
        let is_acknowledged = match value {
            Some(key) => {
                let request = self.customer.request(Method::PUT, &format!("/keys/{slug}?anyway=yes"));
                request.body(key).send().await.is_ok_and(|reply| is_done(&reply, StatusCode::OK, ""))
            }
            None => {
                let request = self.customer.form_request(&format!("/keys/{slug}/delete"), &[]);
                request.send().await.is_ok_and(|reply| is_done(&reply, StatusCode::SEE_OTHER, "/keys"))
            }
        };
        if is_acknowledged {
            self.history(provider).settled = number;
        }
    }

    async fn leave(&self) {
        self.leaving.store(ASKED, Ordering::SeqCst);
        loop {
            let request = self.customer.form_request("/account/delete", &[("email", &self.email)]);
            if let Ok(reply) = request.send().await {
                // With the session gone, an attempt before had its effect.
                let is_gone = reply.headers().get("location").is_some_and(|location| location == "/");
                if is_gone || is_done(&reply, StatusCode::SEE_OTHER, "/deleted") {
                    break;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.leaving.store(LEFT, Ordering::SeqCst);
    }
}

/// Returns whether the dashboard says that it has done something, and panics if it says that the customer may not.
fn is_done(reply: &Response, status: StatusCode, location: &str) -> bool {
    let goes_to = reply.headers().get("location").map_or("", |location| location.to_str().unwrap());
    if reply.status().is_server_error() {
        return false;
    }
    assert_eq!((reply.status(), goes_to), (status, location));
    true
}
