//! Events and the users they are of.

use super::Shared;
use super::problems::{NotThere, Refused, TooMuch};
use crate::body::EventsBody;
use crate::{Event, Interest, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// An acknowledgement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acknowledged {
    /// Give it as `min_as_of`, and an answer sees these events.
    as_of: u64,
    /// Events that were new.
    accepted: usize,
    /// Events that the log had already.
    duplicates: usize,
    /// New events of an action that the model does not know: rankings do not read them.
    unread: usize,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    /// The id.
    user: String,
    /// Oldest first.
    history: Vec<Past>,
    /// The strongest first, in words.
    interests: Vec<Interest>,
}

/// An event of a history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Past {
    item_id: String,
    action: String,
    /// Milliseconds since 1970 (UTC).
    timestamp: i64,
}

/// Takes in events: one, an array, or one a line (NDJSON). When this is answered they are durable, and the next answer sees them.
#[utoipa::path(post, path = "/v1/events", tag = "events", request_body = Vec<Event>, responses(
    (status = 202, description = "Durable", body = Acknowledged),
    Refused,
    TooMuch,
))]
pub(super) async fn events(
    State(app): Shared,
    EventsBody(events): EventsBody,
) -> Result<(StatusCode, Json<Acknowledged>), Problem> {
    let receipt = app.service.events(events).await?;
    let crate::Receipt { as_of, accepted, duplicates, unread } = receipt;
    Ok((StatusCode::ACCEPTED, Json(Acknowledged { as_of, accepted, duplicates, unread })))
}

/// A user's history and interests.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "users", params(("id" = String, Path, description = "The user's id")), responses(
    (status = 200, description = "What is known of the user", body = User),
    NotThere,
))]
pub(super) async fn user(State(app): Shared, Path(id): Path<String>) -> Result<Json<User>, Problem> {
    app.work(1, move |service| {
        let history = service.history(&id).ok_or_else(|| nobody(&id))?;
        let interests = service.interests(&id);
        let past =
            |event: crate::Named| Past { item_id: event.item, action: event.action, timestamp: event.time };
        Ok(Json(User { interests, history: history.into_iter().map(past).collect(), user: id }))
    })
    .await
}

/// Forgets a user: their history, and every record of the log that names them.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "users", params(("id" = String, Path, description = "The user's id")), responses(
    (status = 204, description = "Forgotten"),
    Refused,
))]
pub(super) async fn forget(State(app): Shared, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    crate::event::check_id(&id, "$")?;
    app.service.forget(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn nobody(id: &str) -> Problem {
    Problem::not_found(format!("nobody has seen the user `{id}`"))
}
