//! Leaving.

use axum::http::StatusCode;
use axum::response::{Html, Response};
use maud::html;

use super::pages::{Failure, Fields, page};
use super::visiting::{Visitor, enter};

pub(super) async fn show(visitor: Visitor) -> Html<String> {
    let content = html! {
        p { "This account belongs to " strong { (visitor.email) } "." }
        h2 { "Delete everything" }
        p { "This deletes your keys, your tokens and your sessions at once. It cannot be undone." }
        form .card method="post" action="/account/delete" {
            label for="email" { "Type your address to delete your account" }
            input #email name="email" type="email" autocomplete="off" required;
            button .danger { "Delete everything" }
        }
    };
    page("Account", Some(&visitor), &content)
}

pub(super) async fn delete(visitor: Visitor, fields: Fields) -> Result<Response, Failure> {
    if !fields.get("email").trim().eq_ignore_ascii_case(&visitor.email) {
        return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, "That is not the address of your account."));
    }
    let dashboard = &visitor.dashboard;
    dashboard.store.leave(&dashboard.home, &visitor.tenant).await?;
    tracing::info!("a customer has left");
    Ok(enter("/deleted", ""))
}

pub(super) async fn deleted() -> Html<String> {
    let content = html! {
        p { "Your keys, tokens and sessions are deleted, and nothing of your account opens any more." }
        p {
            "Within minutes, the worker destroys your master key and deletes the rest. What is left in backups is sealed under "
            "that key, and cannot be opened by anybody once the root key of this epoch is destroyed too."
        }
        p { "The log of who opened your keys stays, without your address: it has no key in it." }
    };
    page("Your account is deleted", None, &content)
}
