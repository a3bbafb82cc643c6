//! What a customer does, in Chromium: at the widths of a desktop and a phone, in light and dark, with JavaScript and without.
//!
//! `SEALWAX_TEST_CHROMEDRIVER` is the program, and `SEALWAX_TEST_AXE` the file `axe.min.js` of axe-core, which looks for labels
//! that are missing and for contrast that is too low. Screenshots are left in `tmp/screens` in the target directory.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::scene::{Scene, free_port, install_tls, until};

const KEY: &str = "sk-proj-browser-0123456789abcdef";
/// The member that names an element (WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

struct Browser {
    client: Client,
    driver: Child,
    session: String,
    has_scripts: bool,
}

impl Browser {
    /// Starts a browser, or returns `None` if the tests in browsers are skipped.
    async fn start(width: u32, has_scripts: bool) -> Option<Self> {
        install_tls();
        let driver = env::var("SEALWAX_TEST_CHROMEDRIVER").ok()?;
        let port = free_port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut browser = Self {
            client: Client::new(),
            driver: command.spawn().unwrap(),
            session: format!("http://127.0.0.1:{port}"),
            has_scripts,
        };
        let options = json!({
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                format!("--window-size={width},1000"),
            ],
            "prefs": { "profile.managed_default_content_settings.javascript": if has_scripts { 1 } else { 2 } },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "performance": "ALL" },
        } } });
        let mut started = None;
        until("the driver answers", async || {
            let request = browser.client.post(format!("{}/session", browser.session)).body(wanted.to_string());
            if let Ok(reply) = request.send().await {
                started = Some(reply.text().await.unwrap());
            }
            started.is_some()
        })
        .await;
        let started: Value = serde_json::from_str(&started.unwrap()).unwrap();
        let id = started["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{started}"));
        browser.session = format!("{}/session/{id}", browser.session);
        // A headless window is wider than a phone: this is what the page sees.
        let metrics = json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500 });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        Some(browser)
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.try_to(method, path, body).await;
        assert!(reply["error"].is_null(), "{path}: {}", reply["message"]);
        reply
    }

    async fn try_to(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.session);
        let mut request = self.client.request(method.clone(), url.trim_end_matches('/'));
        if method == Method::POST {
            request = request.body(body.to_string());
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["value"].clone()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, body).await
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Returns the elements that a selector of CSS selects.
    async fn find(&self, selector: &str) -> Vec<String> {
        let found = self.post("elements", json!({ "using": "css selector", "value": selector })).await;
        found.as_array().unwrap().iter().map(|element| element[ELEMENT].as_str().unwrap().into()).collect()
    }

    /// Waits for an element.
    async fn one(&self, selector: &str) -> String {
        let mut found = Vec::new();
        until(selector, async || {
            found = self.find(selector).await;
            !found.is_empty()
        })
        .await;
        found.remove(0)
    }

    async fn click(&self, selector: &str) {
        let element = self.one(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    async fn write(&self, selector: &str, text: &str) {
        let element = self.one(selector).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Returns the text of an element, or nothing if the page has just put another one in its place.
    async fn text(&self, selector: &str) -> String {
        let element = self.one(selector).await;
        let text = self.try_to(Method::GET, &format!("element/{element}/text"), Value::Null).await;
        text.as_str().unwrap_or_default().into()
    }

    /// Returns the requests that the page has made since the last call: method and path.
    async fn requests(&self, origin: &str) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "performance" })).await;
        let messages =
            log.as_array().unwrap().iter().map(|entry| {
                serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()["message"].clone()
            });
        let sent = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
        let sent = sent.map(|message| {
            let request = &message["params"]["request"];
            let url = request["url"].as_str().unwrap();
            format!("{} {}", request["method"].as_str().unwrap(), url.strip_prefix(origin).unwrap_or(url))
        });
        sent.collect()
    }

    /// Keeps a screenshot of the page in light and dark, and looks for what axe-core finds.
    async fn look(&self, name: &str) {
        let screens = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
        fs::create_dir_all(&screens).unwrap();
        for scheme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
            let image = self.ask(Method::GET, "screenshot", Value::Null).await;
            fs::write(screens.join(format!("{name}-{scheme}.png")), base64(image.as_str().unwrap())).unwrap();
            if self.has_scripts {
                let axe = fs::read_to_string(env::var("SEALWAX_TEST_AXE").unwrap()).unwrap();
                self.post("execute/sync", json!({ "script": axe, "args": [] })).await;
                let script = "const done = arguments[0]; axe.run(document).then(found => done(JSON.stringify(
                    found.violations.map(rule => [rule.id, rule.nodes.map(node => node.html)]))));";
                let found = self.post("execute/async", json!({ "script": script, "args": [] })).await;
                assert_eq!(found, "[]", "{name} {scheme}");
                let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                let wider = self.post("execute/sync", json!({ "script": wider, "args": [] })).await;
                assert_eq!(wider, 0, "{name}: the page is wider than the screen");
            }
        }
    }

    async fn stop(mut self) {
        self.ask(Method::DELETE, "", Value::Null).await;
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |char: u8| match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|char| *char != b'=').map(|char| digit(char).into()).collect();
    let bytes = digits.chunks(4).flat_map(|chunk| {
        let bits = chunk.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - chunk.len()));
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    });
    bytes.collect()
}

/// Does what a customer does, and looks at each page.
async fn visit(name: &str, width: u32, has_scripts: bool) {
    let Some(browser) = Browser::start(width, has_scripts).await else { return };
    let scene = Scene::start_quietly(name, "limits.address = 10000\n").await;
    let page = |path: &str| format!("{}{path}", scene.dashboard);
    browser.go(&page("/")).await;
    browser.look(&format!("{name}-1-sign-in")).await;
    browser.write("#email", "mia@example.com").await;
    browser.click("main button").await;
    until("the mail is sent", async || {
        fs::read_dir(scene.dir.join("outbox"))
            .is_ok_and(|files| files.flatten().any(|file| file.path().extension().is_some_and(|is| is == "json")))
    })
    .await;
    browser.go(&scene.mail("mia@example.com").await).await;
    browser.look(&format!("{name}-2-link")).await;
    browser.click("main button").await;
    browser.one("#openai").await;
    browser.look(&format!("{name}-3-keys")).await;

    // A browser sees one PUT and no other request when a key is saved.
    browser.click("#openai summary").await;
    browser.write("#key-openai", KEY).await;
    browser.requests(&scene.dashboard).await;
    browser.click("#openai form button").await;
    until("the key is set", async || browser.text("#openai h2").await.contains("OpenAI set")).await;
    let requests = browser.requests(&scene.dashboard).await;
    if has_scripts {
        assert_eq!(requests, ["PUT /keys/openai"]);
        assert_eq!(browser.text("#openai .done").await, "The key is stored.");
    } else {
        assert_eq!(requests[..2], ["POST /keys/openai", "GET /keys"]);
    }
    browser.look(&format!("{name}-4-stored")).await;
    let source = browser.ask(Method::GET, "source", Value::Null).await;
    assert!(!source.as_str().unwrap().contains(KEY));
    // And a GET that tells which providers are set, and no value.
    if has_scripts {
        let fetch = "const done = arguments[0]; fetch('/api/keys').then(reply => reply.text()).then(done)";
        let keys = browser.post("execute/async", json!({ "script": fetch, "args": [] })).await;
        let keys: Value = serde_json::from_str(keys.as_str().unwrap()).unwrap();
        assert!(keys["openai"] == true && keys["groq"] == false);
    }
    // A text that looks like no key is asked about.
    browser.click("#groq summary").await;
    browser.write("#key-groq", "undefined").await;
    browser.click("#groq form button").await;
    until("it is asked", async || !browser.find("#groq .doubt").await.is_empty()).await;
    browser.look(&format!("{name}-5-doubt")).await;

    browser.go(&page("/tokens")).await;
    browser.look(&format!("{name}-6-tokens")).await;
    browser.click("input[value=openai]").await;
    browser.click("form[action='/tokens'] button").await;
    let token = browser.one("#new").await;
    let token = browser.ask(Method::GET, &format!("element/{token}/attribute/value"), Value::Null).await;
    browser.look(&format!("{name}-7-token")).await;
    let request = Client::new().get(format!("{}/openai/v1/models", scene.proxy)).bearer_auth(token.as_str().unwrap());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);

    browser.go(&page("/security")).await;
    assert!(browser.text("main").await.contains("request to openai"));
    browser.look(&format!("{name}-8-security")).await;
    browser.go(&page("/account")).await;
    browser.look(&format!("{name}-9-account")).await;
    browser.write("main #email", "mia@example.com").await;
    browser.click("button.danger").await;
    until("the account is deleted", async || browser.text("main").await.contains("deleted")).await;
    browser.look(&format!("{name}-10-deleted")).await;
    browser.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_a_browser_sees_one_put_on_a_desktop() {
    visit("desktop", 1280, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_a_browser_sees_one_put_on_a_phone() {
    visit("phone", 375, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_000_a_browser_without_scripts_does_the_same() {
    visit("no-scripts", 375, false).await;
}
