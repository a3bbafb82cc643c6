//! The same over PostgreSQL. Without the variables of CONTRIBUTING.md, these are skipped: `tests/gateway/servers.rs` counts them.

use crate::postgres::postgres;
use crate::scene::Scene;
use crate::{keys, pages, signing_in, tokens};

#[tokio::test]
async fn over_postgresql_a_link_signs_in_once() {
    let Some(database) = postgres().await else { return };
    signing_in::sign_in_once(&Scene::start("postgresql-link", &database).await).await;
}

#[tokio::test]
async fn over_postgresql_a_key_is_stored_replaced_and_deleted() {
    let Some(database) = postgres().await else { return };
    keys::keep(&Scene::start("postgresql-keys", &database).await).await;
}

#[tokio::test]
async fn over_postgresql_a_key_that_comes_while_its_owner_leaves_is_not_stored() {
    let Some(database) = postgres().await else { return };
    keys::store_and_leave(&Scene::start("postgresql-left", &database).await).await;
}

#[tokio::test]
async fn over_postgresql_a_token_is_shown_once_rotated_and_revoked() {
    let Some(database) = postgres().await else { return };
    tokens::issue_and_revoke(&Scene::start("postgresql-tokens", &database).await).await;
}

#[tokio::test]
async fn over_postgresql_whoever_leaves_leaves_nothing() {
    let Some(database) = postgres().await else { return };
    pages::leave(&Scene::start("postgresql-leaving", &database).await).await;
}
