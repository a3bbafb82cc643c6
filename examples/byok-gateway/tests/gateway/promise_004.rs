//! The fifth service: keys that are displayed once and hashed, salted SHA-256 rows, development and production.

use reqwest::{Method, StatusCode};

use crate::memory;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn promise_004_salted_rows_are_accepted_and_upgraded() {
    let scene = Scene::start("promise_004_salted").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-004-0123456789").await;
    // printf 'saltnem_live_oldtoken1' | sha256sum, and so on.
    let tokens = ["nem_live_oldtoken1", "nem_live_oldtoken2", "nem_live_oldtoken3"];
    let rows = [("\"salt_before\":\"73616c74\",", "SHA1"), ("\"salt_after\":\"73616c74\",", "SHA2"), ("", "SHA3")];
    let digests = crate::scene::sha256(&["saltnem_live_oldtoken1", "nem_live_oldtoken2salt", "nem_live_oldtoken3"]);
    let lines = rows.iter().zip(&digests).map(|((salt, _), digest)| {
        format!("{{\"email\":\"Mia@Example.com\",{salt}\"scopes\":[\"openai\"],\"sha256\":\"{digest}\"}}\n")
    });
    let lines = lines.collect::<String>();
    let import = |lines: &str| {
        std::fs::write(scene.dir.join("tokens.jsonl"), lines).unwrap();
        scene.run(&["import-tokens", scene.dir.join("tokens.jsonl").to_str().unwrap()])
    };
    let (ok, text) = import(&lines.replace("[\"openai\"]", "[\"openai\",\"session\"]"));
    assert!(!ok && text.contains("line 3: a scope is no provider, such as `openai`"), "{text}");
    assert!(text.contains("3 lines were refused, and 0 taken"), "{text}");
    let (ok, text) = import(&lines);
    assert!(ok && text.contains("3 tokens accepted"), "{text}");
    // Those that are there stay the only ones.
    let (ok, text) = import(&lines);
    assert!(!ok && text.contains("3 lines were refused, and 0 taken"), "{text}");
    let before = scene.rows("SELECT record FROM sealwax_tokens WHERE subject LIKE 'tenant/%' ORDER BY id").await;
    for _ in 0..2 {
        for token in tokens {
            let reply = mia.ask(Method::GET, "/openai/v1/models", token).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::OK, "{token}");
        }
    }
    let after = scene.rows("SELECT record FROM sealwax_tokens WHERE subject LIKE 'tenant/%' ORDER BY id").await;
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "each was upgraded at its first use");
    let wrong = mia.ask(Method::GET, "/openai/v1/models", "nem_live_oldtoken4").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    for (file, bytes) in scene.files() {
        for token in tokens {
            assert_eq!(memory::find(&bytes, token.as_bytes()), 0, "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_004_development_and_production_are_not_interchangeable() {
    let scene = Scene::start("promise_004_modes").await;
    let mia = scene.sign_in("mia@example.com").await;
    mia.store("openai", "sk-proj-004-0123456789").await;
    let [live, test] = [mia.token("live", &["openai"]).await, mia.token("test", &["openai"]).await];
    let swapped = [live.replace("bg_live_", "bg_test_"), test.replace("bg_test_", "bg_live_")];
    for token in &swapped {
        let reply = mia.ask(Method::GET, "/openai/v1/models", token).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    }
    // Somebody who writes the database makes a live row of a test row.
    scene.write("UPDATE sealwax_tokens SET record = replace(record, 'test-1', 'live-1'), lookup = replace(lookup, 'test-1', 'live-1')").await;
    let reply = mia.ask(Method::GET, "/openai/v1/models", &swapped[1]).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    // A test key of sealwax is no key of the service.
    let ring = std::fs::read_to_string(scene.dir.join("keys/service/ring")).unwrap();
    assert!(sealwax::Keyring::from_test_text(&ring).is_err());
}
