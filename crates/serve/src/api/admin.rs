//! The life of models: another run takes over, or the one before again.

use super::Shared;
use super::problems::{Conflict, Refused};
use crate::body::Body;
use crate::{Problem, Reloaded, Runs, Service};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which runs, and whether they are only to be checked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReloadRequest {
    #[serde(flatten)]
    runs: Runs,
    /// Ask the runs what was asked before, say how their answers differ, and change nothing.
    #[serde(default)]
    only_check: bool,
}

/// Another run of the same data set takes over, once it has answered what was asked before. Requests are answered meanwhile.
#[utoipa::path(post, path = "/v1/admin/reload", tag = "admin", request_body = ReloadRequest, responses(
    (status = 200, description = "What the check has found, and whether the run ranks now", body = Reloaded),
    Refused,
    Conflict,
))]
pub(super) async fn reload(
    State(app): Shared,
    Body(ReloadRequest { runs, only_check }): Body<ReloadRequest>,
) -> Result<Json<Reloaded>, Problem> {
    blocking(app, move |service| service.reload(runs, only_check)).await
}

/// The run that ranked before takes over again.
#[utoipa::path(post, path = "/v1/admin/rollback", tag = "admin", responses(
    (status = 200, description = "What the check has found", body = Reloaded),
    Conflict,
))]
pub(super) async fn rollback(State(app): Shared) -> Result<Json<Reloaded>, Problem> {
    blocking(app, Service::roll_back).await
}

/// Beside the rankings, for which it does not wait.
async fn blocking(
    app: std::sync::Arc<super::App>,
    work: impl FnOnce(&Service) -> Result<Reloaded, Problem> + Send + 'static,
) -> Result<Json<Reloaded>, Problem> {
    let service = app.service.clone();
    let done = tokio::task::spawn_blocking(move || work(&service)).await;
    done.unwrap_or_else(|_| Err(super::failed())).map(Json)
}
