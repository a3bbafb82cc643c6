//! A proxy that cuts connections.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::dice::Dice;

/// How many connections were cut, and how many of these while a COMMIT had no reply yet.
#[derive(Default)]
pub(super) struct Cuts {
    pub(super) all: AtomicU64,
    pub(super) commits: AtomicU64,
}

pub(super) struct Cutter {
    pub(super) port: u16,
    pub(super) cuts: Arc<Cuts>,
}

/// Passes connections on to a server. It cuts each after a random number of bytes, or at a COMMIT: before the server gets
/// it, or before the client gets the reply.
pub(super) async fn cutter(server: String) -> Cutter {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let cuts = Arc::new(Cuts::default());
    let dice = Arc::new(Mutex::new(Dice::new()));
    let of_task = Arc::clone(&cuts);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&server).await else { continue };
            tokio::spawn(connection(client, server, Arc::clone(&dice), Arc::clone(&of_task)));
        }
    });
    Cutter { port, cuts }
}

async fn connection(mut client: TcpStream, mut server: TcpStream, dice: Arc<Mutex<Dice>>, cuts: Arc<Cuts>) {
    let roll = |end| dice.lock().unwrap().below(end);
    // Enough for the start of a connection, and a few pages.
    let mut left = usize::try_from(roll(1_000_000)).unwrap();
    let (mut from_client, mut from_server) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        let (read, is_client) = tokio::select! {
            read = client.read(&mut from_client) => (read, true),
            read = server.read(&mut from_server) => (read, false),
        };
        let Ok(length @ 1..) = read else { return };
        let (bytes, to) = if is_client { (&from_client, &mut server) } else { (&from_server, &mut client) };
        let passed = length.min(left);
        let bytes = bytes.get(..passed).unwrap();
        let is_commit = is_client && bytes.windows(6).any(|part| part == b"COMMIT");
        let at_commit = is_commit && roll(20) == 0;
        let is_cut = passed < length || at_commit;
        let is_lost = at_commit && roll(2) == 0;
        if !is_lost && to.write_all(bytes).await.is_err() {
            return;
        }
        left = left.saturating_sub(length);
        if is_cut {
            cuts.all.fetch_add(1, Ordering::SeqCst);
            cuts.commits.fetch_add(u64::from(at_commit), Ordering::SeqCst);
            return;
        }
    }
}
