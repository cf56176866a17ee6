//! The life of models: another run takes over, or the one before again.

use super::Shared;
use super::problems::{Conflict, NotThere, Refused};
use crate::body::Body;
use crate::{Problem, Reloaded, Runs, Service, ShadowReport};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// Which runs, and whether they are only to be checked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReloadRequest {
    /// Folder of a run of the same data set, on the server's machine.
    #[schema(value_type = String)]
    run: PathBuf,
    /// Folder of a click or conversion run that ranks what the first one finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    clicks: Option<PathBuf>,
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
    Body(ReloadRequest { run, clicks, only_check }): Body<ReloadRequest>,
) -> Result<Json<Reloaded>, Problem> {
    blocking(app, move |service| service.reload(Runs { run, clicks }, only_check)).await
}

/// The run that ranked before takes over again.
#[utoipa::path(post, path = "/v1/admin/rollback", tag = "admin", responses(
    (status = 200, description = "What the check has found", body = Reloaded),
    Conflict,
))]
pub(super) async fn rollback(State(app): Shared) -> Result<Json<Reloaded>, Problem> {
    blocking(app, Service::roll_back).await
}

/// Which runs rank in the shadow, and how often.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShadowRequest {
    /// Folder of a run of the same data set, on the server's machine.
    #[schema(value_type = String)]
    run: PathBuf,
    /// Folder of a click or conversion run that ranks what the first one finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    clicks: Option<PathBuf>,
    /// Share of the requests that they rank as well, above 0; all of them by default.
    #[serde(default = "all")]
    share: f64,
}

fn all() -> f64 {
    1.0
}

/// A run of the same data set ranks a share of the requests as well, after they are answered; another that did so goes.
#[utoipa::path(post, path = "/v1/admin/shadow", tag = "admin", request_body = ShadowRequest, responses(
    (status = 200, description = "It ranks in the shadow from now on", body = ShadowReport),
    Refused,
    Conflict,
))]
pub(super) async fn shadow(
    State(app): Shared,
    Body(ShadowRequest { run, clicks, share }): Body<ShadowRequest>,
) -> Result<Json<ShadowReport>, Problem> {
    blocking(app, move |service| service.shadow(Runs { run, clicks }, share)).await
}

/// How the lists of the run in the shadow differ from those that were shown.
#[utoipa::path(get, path = "/v1/admin/shadow", tag = "admin", responses(
    (status = 200, description = "What was compared so far", body = ShadowReport),
    NotThere,
))]
pub(super) async fn shadow_report(State(app): Shared) -> Result<Json<ShadowReport>, Problem> {
    app.service.shadow_report().map(Json)
}

/// The run in the shadow goes.
#[utoipa::path(delete, path = "/v1/admin/shadow", tag = "admin", responses(
    (status = 200, description = "What was compared until then", body = ShadowReport),
    NotThere,
))]
pub(super) async fn drop_shadow(State(app): Shared) -> Result<Json<ShadowReport>, Problem> {
    blocking(app, Service::drop_shadow).await
}

/// The run in the shadow takes over, as by a reload.
#[utoipa::path(post, path = "/v1/admin/shadow/promote", tag = "admin", responses(
    (status = 200, description = "What the check has found", body = Reloaded),
    NotThere,
    Conflict,
))]
pub(super) async fn promote_shadow(State(app): Shared) -> Result<Json<Reloaded>, Problem> {
    blocking(app, Service::promote_shadow).await
}

/// Beside the rankings, for which it does not wait.
async fn blocking<T: Send + 'static>(
    app: std::sync::Arc<super::App>,
    work: impl FnOnce(&Service) -> Result<T, Problem> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let service = app.service.clone();
    let done = tokio::task::spawn_blocking(move || work(&service)).await;
    done.unwrap_or_else(|_| Err(super::failed())).map(Json)
}
