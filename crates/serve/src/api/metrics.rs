//! `/metrics`.

use super::Shared;
use crate::Problem;
use axum::extract::State;
use axum::http::{HeaderName, header};

/// Counts and times, as Prometheus reads them (OpenMetrics).
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(
    State(app): Shared,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let text = app.metrics.text(&app.service, &app.gate)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
