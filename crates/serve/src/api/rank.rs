//! Rankings and candidates.

use super::Shared;
use super::problems::Refused;
use crate::body::Body;
use crate::{Candidates, Problem, RankRequest, Ranking, RetrieveRequest};
use axum::Json;
use axum::extract::State;
use std::time::Instant;

/// Candidates that a request without its own counts as.
const OF_SOURCES: usize = 1_000;

/// Ranks items for a user: given candidates, or what the sources find.
#[utoipa::path(post, path = "/v1/rank", tag = "rank", request_body = RankRequest, responses(
    (status = 200, description = "Best first", body = Ranking),
    Refused,
))]
pub(super) async fn rank(
    State(app): Shared,
    Body(request): Body<RankRequest>,
) -> Result<Json<Ranking>, Problem> {
    let received = Instant::now();
    let cost = request.candidates.as_ref().map_or(OF_SOURCES, Vec::len);
    let (ranking, pending) =
        app.work(cost, move |service| service.rank_before_sync(&request, received)).await?;
    // Whoever waits for the disk keeps no other request from being ranked.
    let ranking = match pending {
        None => ranking,
        pending => app.beside(move |service| service.synced(ranking, pending)).await?,
    };
    Ok(Json(ranking))
}

/// Finds candidates for a user or a search, from all sources or one, at once or in pages.
#[utoipa::path(post, path = "/v1/retrieve", tag = "rank", request_body = RetrieveRequest, responses(
    (status = 200, description = "Best first, each with the sources that found it", body = Candidates),
    Refused,
))]
pub(super) async fn retrieve(
    State(app): Shared,
    Body(request): Body<RetrieveRequest>,
) -> Result<Json<Candidates>, Problem> {
    app.work(request.k.unwrap_or(500), move |service| service.retrieve(&request)).await.map(Json)
}
