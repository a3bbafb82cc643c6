//! API tokens: shown once, rotated, revoked.

use byok_gateway::clock;
use byok_gateway::tokens::ApiTokens;
use reqwest::StatusCode;

use crate::scene::{Scene, location};

/// Returns the token that a page shows.
fn shown(page: &str) -> String {
    let token = page.split("value=\"").find(|text| text.starts_with("bg_")).unwrap().split('"').next().unwrap();
    assert_eq!(page.matches(token).count(), 1);
    token.into()
}

#[tokio::test]
async fn a_token_is_shown_once_rotated_and_revoked() {
    issue_and_revoke(&Scene::start("tokens", "").await).await;
}

/// Issues a token, rotates and revokes it.
pub(crate) async fn issue_and_revoke(scene: &Scene) {
    let mia = scene.sign_in("mia@example.com").await;
    let noa = scene.sign_in("noa@example.com").await;
    let tenant = scene.tenant("mia@example.com").await;
    let tokens = ApiTokens::read(&scene.home).unwrap();
    let verify = async |token: &str, scope: &str| tokens.verify(&scene.store, token, scope).await;

    // Whose it is comes from the session.
    let body = "scope=openai&scope=groq&mode=live&days=90&subject=tenant/other&tenant=other";
    let page = mia.post("/tokens", body).await.text().await.unwrap();
    let first = shown(&page);
    assert!(first.starts_with("bg_live_"));
    let list = mia.page("/tokens").await;
    assert!(!list.contains(&first) && list.contains(&format!("live token …{}", &first[first.len() - 4..])));
    assert!(list.contains("For groq, openai.") && list.contains("never used"));
    scene.assert_nowhere(&first, "mia@example.com");
    assert!(verify(&first, "groq").await.is_ok() && verify(&first, "xai").await.is_err());
    let claims = verify(&first, "openai").await.unwrap();
    assert_eq!(claims.grant.subject(), format!("tenant/{tenant}"));
    let left = claims.grant.valid_until().unwrap() - clock::seconds();
    assert!((90 * 86400 - 60..=90 * 86400).contains(&left), "{left}");
    assert!(mia.page("/tokens").await.contains("Last used "));
    let id = claims.id;

    assert!(mia.page("/tokens").await.contains(&format!("Id {id}")));

    // With a grace, the old one is valid until the new one is used.
    let second = shown(&mia.post(&format!("/tokens/{id}/rotate"), "grace=3600").await.text().await.unwrap());
    assert!(verify(&first, "openai").await.is_ok());
    assert!(verify(&second, "openai").await.is_ok());
    assert!(verify(&first, "openai").await.is_err());
    // Without one, it ends at once, although the new one was never used. A longer grace is an hour.
    let third = shown(&mia.post(&format!("/tokens/{id}/rotate"), "grace=0").await.text().await.unwrap());
    assert!(verify(&second, "openai").await.is_err());
    assert_eq!(verify(&third, "openai").await.unwrap().id, id);
    mia.post(&format!("/tokens/{id}/rotate"), "grace=999999").await;
    let until = verify(&third, "openai").await.unwrap().grant.valid_until().unwrap();
    assert!(until <= clock::seconds() + 3600);
    let fourth = shown(&mia.post(&format!("/tokens/{id}/rotate"), "").await.text().await.unwrap());
    assert!(verify(&third, "openai").await.is_err());

    // Nobody else changes it, and learns whether there is such a token.
    for path in [format!("/tokens/{id}/rotate"), format!("/tokens/{id}/revoke"), "/tokens/nonsense/revoke".into()] {
        let body = format!("grace=0&subject=tenant/{tenant}");
        assert_eq!(noa.post(&path, &body).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(verify(&fourth, "openai").await.is_ok());
    assert!(noa.page("/tokens").await.contains("You have no tokens yet."));

    // Somebody who writes the table gives its row to another one's list.
    let pool = sqlx::AnyPool::connect(&scene.home.database()).await.unwrap();
    let give = async |subject: &str| {
        sqlx::query("UPDATE sealwax_tokens SET subject = $1 WHERE id = $2")
            .bind(subject.to_owned())
            .bind(id.to_string())
            .execute(&pool)
            .await
            .unwrap()
    };
    give(&format!("tenant/{}", scene.tenant("noa@example.com").await)).await;
    assert!(!noa.page("/tokens").await.contains(&id.to_string()));
    assert_eq!(noa.post(&format!("/tokens/{id}/revoke"), "").await.status(), StatusCode::NOT_FOUND);
    give(&format!("tenant/{tenant}")).await;

    assert_eq!(location(&mia.post(&format!("/tokens/{id}/revoke"), "").await), "/tokens");
    assert!(verify(&fourth, "openai").await.is_err());
    assert!(mia.page("/tokens").await.contains("revoked"));
    assert_eq!(mia.post(&format!("/tokens/{id}/rotate"), "grace=0").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_is_for_providers_that_exist_and_ends() {
    let scene = Scene::start("token-forms", "").await;
    let mia = scene.sign_in("mia@example.com").await;
    let wrong = [
        "",
        "mode=live&days=30",
        "scope=&mode=live&days=30",
        "scope=openai&scope=session&mode=live&days=30",
        "scope=openai&mode=production&days=30",
        "scope=openai&mode=live",
        "scope=openai&mode=live&days=0",
        "scope=openai&mode=live&days=31",
        "scope=openai&mode=live&days=-1",
    ];
    for wrong in wrong {
        assert_eq!(mia.post("/tokens", wrong).await.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    assert!(mia.page("/tokens").await.contains("You have no tokens yet."));
    let test = shown(&mia.post("/tokens", "scope=openai&mode=test&days=30").await.text().await.unwrap());
    assert!(test.starts_with("bg_test_") && mia.page("/tokens").await.contains("test token …"));
    for _ in 1..100 {
        assert_eq!(mia.post("/tokens", "scope=openai&mode=test&days=30").await.status(), StatusCode::OK);
    }
    assert_eq!(mia.post("/tokens", "scope=openai&mode=test&days=30").await.status(), StatusCode::CONFLICT);
}
