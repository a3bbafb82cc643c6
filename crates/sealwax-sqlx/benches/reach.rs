//! Measures the rotation of a large table: `ci/servers cargo bench --manifest-path crates/sealwax-sqlx/Cargo.toml --bench
//! reach -- [ROWS] [MEASUREMENT …]`.
//!
//! ROWS is 1,000,000 unless it is given. The measurements are `one`, `workers`, `forms`, `delay` and `large`, which has ten
//! times as many rows. With `-- --test`, it runs everything once with few rows.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark fails by panicking"
)]

#[path = "reach/delay.rs"]
mod delay;
#[path = "reach/given.rs"]
mod given;
#[path = "reach/rivals.rs"]
mod rivals;
#[path = "reach/workers.rs"]
mod workers;

use std::time::Duration;

use sealwax_sqlx::{Form, Job, Options};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::given::{Keys, Rings};
use crate::workers::Run;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if workers::work().await {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // `cargo test --all-targets` gives neither.
    let is_test = has("--test") || !has("--bench");
    let given = arguments.iter().find_map(|argument| argument.parse().ok());
    let rows: i64 = given.unwrap_or(if is_test { 4_000 } else { 1_000_000 });
    let is_wanted = |name: &str| !["one", "workers", "forms", "delay", "large"].into_iter().any(has) || has(name);
    let (db, options) = given::database().await;
    let reach = Reach { db, options, rows };
    if is_wanted("one") {
        reach.one().await;
    }
    if is_wanted("workers") {
        reach.workers().await;
    }
    if is_wanted("forms") {
        reach.forms().await;
    }
    if is_wanted("delay") {
        reach.delay().await;
    }
    if is_wanted("large") {
        reach.large().await;
    }
}

/// The rows of a page.
const PAGE: i32 = 1_000;

/// How often each way to rotate is timed.
const TURNS: usize = 3;

struct Reach {
    db: PgPool,
    options: PgConnectOptions,
    rows: i64,
}

impl Reach {
    async fn plan(&self, rings: &Rings, page: i32) -> Job {
        let mut connection = self.db.acquire().await.unwrap();
        let table = given::find(&mut connection).await;
        let primary = "prod-2026".parse().unwrap();
        let ring = rings.new_ring();
        let options = Options { page, ..Options::default() };
        Job::plan_rotation(&mut connection, &table, &ring, &primary, &options).await.unwrap()
    }

    /// Plans a job and lets worker processes do it.
    async fn rotate(&self, rings: &Rings, options: &PgConnectOptions, count: usize) -> Run {
        let job = self.plan(rings, PAGE).await;
        workers::run(&self.db, options, &rings.new, &job, count, 1).await
    }

    /// One worker, beside other ways to do the same. They take turns, and the fastest run of each counts.
    async fn one(&self) {
        let rings = Rings::new(1);
        let ring = rings.new_ring();
        given::seal(&self.db, &rings.old(), Form::Binary, self.rows).await;
        let mut fastest: [Option<Run>; 6] = [const { None }; 6];
        let mut crypto = Duration::MAX;
        for _ in 0..TURNS {
            self.fresh("").await;
            crypto = crypto.min(rivals::crypto(&self.db, &ring).await);
            let first = self.rotate(&rings, &self.options, 1).await;
            given::settle(&self.db).await;
            let again = self.rotate(&rings, &self.options, 1).await;
            assert_eq!(again.changed, 0);
            self.fresh("").await;
            let job = self.plan(&rings, PAGE).await;
            let two = workers::run(&self.db, &self.options, &rings.new, &job, 1, 2).await;
            self.fresh("").await;
            let uncoordinated = rivals::uncoordinated(&self.db, &ring).await;
            self.fresh(rivals::MARKER).await;
            sqlx::raw_sql(rivals::INDEX).execute(&self.db).await.unwrap();
            given::settle(&self.db).await;
            let sweep = rivals::sweep(&self.db, &ring).await;
            self.fresh("").await;
            let obvious = rivals::obvious(&self.db, &ring).await;
            for (fastest, run) in fastest.iter_mut().zip([first, again, two, uncoordinated, sweep, obvious]) {
                assert_eq!(run.rows, self.rows.unsigned_abs());
                if fastest.as_ref().is_none_or(|fastest| run.time < fastest.time) {
                    *fastest = Some(run);
                }
            }
        }
        let [first, again, two, rivals @ ..] = fastest.map(Option::unwrap);
        print("one worker", &first);
        let share = 100.0 * crypto.as_secs_f64() / first.time.as_secs_f64();
        println!("{:44}{share:9.1} %", "  of it rewrap_batch");
        print("  again, all current", &again);
        println!("{:44}{:9.2} times as fast as the first run", "", again.rate() / first.rate());
        print("two workers in one process, on one thread", &two);
        let names =
            ["the same without coordination", "kms-aead's sweep, from its page", "the obvious loop, one UPDATE a row"];
        for (name, run) in names.into_iter().zip(rivals) {
            print(name, &run);
            let (one, two) = (first.rate() / run.rate(), two.rate() / run.rate());
            println!("{:44}{one:9.2} times as fast is one worker, {two:.2} times are two", "");
        }
    }

    async fn fresh(&self, extra: &str) {
        given::fresh_table(&self.db, Keys::Int, Form::Binary, extra).await;
    }

    /// Several processes.
    async fn workers(&self) {
        let rings = Rings::new(1);
        given::seal(&self.db, &rings.old(), Form::Binary, self.rows).await;
        let mut one = None;
        for count in [1, 2, 4] {
            self.fresh("").await;
            let run = self.rotate(&rings, &self.options, count).await;
            assert_eq!(run.changed, self.rows.unsigned_abs());
            print(&format!("{count} worker processes"), &run);
            let one = *one.get_or_insert(run.rate());
            println!("{:44}{:9.2} times one", "", run.rate() / one);
        }
    }

    /// Other types of columns and keys, with a fifth of the rows.
    async fn forms(&self) {
        let rows = (self.rows / 5).max(1);
        for wraps in [1, 3] {
            for form in [Form::Binary, Form::Text] {
                let rings = Rings::new(wraps);
                given::seal(&self.db, &rings.old(), form, rows).await;
                for keys in [Keys::Int, Keys::Uuid, Keys::TwoColumns] {
                    given::fresh_table(&self.db, keys, form, "").await;
                    let run = self.rotate(&rings, &self.options, 1).await;
                    assert_eq!(run.changed, rows.unsigned_abs());
                    print(&format!("{form:?}, wraps: {wraps}, key: {}", keys.name()), &run);
                }
            }
        }
    }

    /// A database on another machine: 5 ms for everything that a client sends. Small pages with a fifth of the rows.
    async fn delay(&self) {
        let server = format!("{}:{}", self.options.get_host(), self.options.get_port());
        // The proxy has a thread of its own, so that it does not wait for this one.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                sender.send(delay::proxy(server, Duration::from_millis(5)).await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        let far = self.options.clone().port(receiver.await.unwrap().port());
        let rings = Rings::new(1);
        for (page, rows) in [(PAGE, self.rows), (200, (self.rows / 5).max(1))] {
            given::seal(&self.db, &rings.old(), Form::Binary, rows).await;
            let mut one = None;
            for count in [1, 2, 4, 8] {
                self.fresh("").await;
                let job = self.plan(&rings, page).await;
                let run = workers::run(&self.db, &far, &rings.new, &job, count, 1).await;
                assert_eq!(run.changed, rows.unsigned_abs());
                print(&format!("5 ms away, {page} rows a page, processes: {count}"), &run);
                let one = *one.get_or_insert(run.rate());
                println!("{:44}{:9.2} times one", "", run.rate() / one);
            }
        }
    }

    /// Ten times as many rows.
    async fn large(&self) {
        let rings = Rings::new(1);
        let mut usual = None;
        for rows in [self.rows, self.rows * 10] {
            given::seal(&self.db, &rings.old(), Form::Binary, rows).await;
            self.fresh("").await;
            let run = self.rotate(&rings, &self.options, 1).await;
            assert_eq!(run.changed, rows.unsigned_abs());
            print(&format!("one worker, {rows} rows"), &run);
            let usual = *usual.get_or_insert(run.rate());
            println!("{:44}{:9.2} times the rate", "", run.rate() / usual);
        }
    }
}

fn print(what: &str, run: &Run) {
    let seconds = run.time.as_secs_f64();
    let memory = if run.memory == 0 { String::new() } else { format!("{:7.1} MiB", f64_of(run.memory) / 1024.0) };
    println!("{what:44}{:9.0} rows a second {seconds:8.2} s{memory}", run.rate());
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a size to print")]
const fn f64_of(number: u64) -> f64 {
    number as f64
}
