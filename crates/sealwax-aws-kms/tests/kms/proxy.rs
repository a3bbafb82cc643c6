//! A proxy in front of a service, which can fail in each way, and counts and keeps the requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does with each request.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Pass,
    /// Never answers.
    Hang,
    /// Closes the connection instead of an answer.
    Cut,
    /// Closes it within the body of an answer.
    CutBody,
    /// Answers itself: status, code and message of the service.
    Answer(u16, &'static str, &'static str),
    /// Answers itself: status and body.
    Raw(u16, &'static str),
}

pub(crate) struct Proxy {
    port: u16,
    upstream: String,
    mode: Mutex<Mode>,
    /// The bodies of the requests.
    requests: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            upstream: upstream.to_owned(),
            mode: Mutex::new(Mode::Pass),
            requests: Mutex::default(),
        });
        let this = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let this = Arc::clone(&this);
                tokio::spawn(async move { this.serve(connection).await });
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// Serves one request after the other. `None` ends the connection.
    async fn serve(&self, connection: TcpStream) -> Option<()> {
        connection.set_nodelay(true).ok()?;
        let (reading, mut writing) = connection.into_split();
        let mut reading = BufReader::new(reading);
        let mut upstream = None;
        loop {
            let (head, body) = message(&mut reading).await?;
            self.requests.lock().unwrap().push(String::from_utf8(body.clone()).unwrap());
            let mode = self.mode.lock().unwrap().clone();
            let answer = match mode {
                Mode::Pass => self.pass(&mut upstream, &head, &body).await?,
                Mode::Hang => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    return None;
                }
                Mode::Cut => return None,
                Mode::CutBody => {
                    let answer = answer(200, r#"{"KeyId":"arn","Plaintext":"AAECAwQFBgcICQ=="}"#);
                    writing.write_all(&answer[..answer.len() - 10]).await.ok()?;
                    return None;
                }
                Mode::Answer(status, code, message) => {
                    answer(status, &format!(r#"{{"__type":"{code}","message":"{message}"}}"#))
                }
                Mode::Raw(status, body) => answer(status, body),
            };
            writing.write_all(&answer).await.ok()?;
        }
    }

    /// Asks the service, and returns the bytes of its answer.
    async fn pass(
        &self,
        upstream: &mut Option<BufReader<TcpStream>>,
        head: &[u8],
        body: &[u8],
    ) -> Option<Vec<u8>> {
        for _ in 0..2 {
            if upstream.is_none() {
                let connection = TcpStream::connect(&self.upstream).await.ok()?;
                connection.set_nodelay(true).ok()?;
                *upstream = Some(BufReader::new(connection));
            }
            let service = upstream.as_mut()?;
            if service.get_mut().write_all(&[head, body].concat()).await.is_ok()
                && let Some((head, body)) = message(service).await
            {
                // The service may close the connection after each answer.
                if String::from_utf8_lossy(&head).to_ascii_lowercase().contains("connection: close")
                {
                    *upstream = None;
                }
                if body == br#"{"__type":"AccessDeniedException"}"# {
                    // What AWS answers if the ciphertext is not one of the key that the request names.
                    return Some(answer(400, r#"{"__type":"IncorrectKeyException"}"#));
                }
                let head = String::from_utf8_lossy(&head).replace("Connection: close\r\n", "");
                return Some([head.as_bytes(), &body].concat());
            }
            *upstream = None;
        }
        None
    }
}

/// Reads the head and the body of a request or an answer.
async fn message(reading: &mut (impl AsyncReadExt + Unpin)) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reading.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reading.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\n\
         x-amzn-RequestId: 1b39c8ac-0000-4000-8000-0123456789ab\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
