//! The API: routes, and what every request passes: keys, metrics, panics turned into answers.
//!
//! | file | answers |
//! |---|---|
//! | `admin` | `/v1/admin/reload`, `/v1/admin/rollback` |
//! | `rank` | `/v1/rank`, `/v1/retrieve` |
//! | `flags` | `/ofrep/v1/…`: the arms of tests |
//! | `events` | `/v1/events`, `/v1/users/{id}` |
//! | `items` | `/v1/items/{id}` |
//! | `infer` | `/v2/…`: health, and the Open Inference Protocol |
//! | `metrics` | `/metrics` |
//! | `problems` | which problems a route answers with |

mod admin;
mod events;
mod flags;
mod infer;
mod items;
mod metrics;
mod problems;
mod rank;

pub(crate) use infer::InferRequest;

use crate::keys::{Keys, Scope};
use crate::metrics::Metrics;
use crate::{Gate, Problem, Service, page};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use std::sync::Arc;
use std::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

/// Bytes of a body, at most.
const MOST_BODY_BYTES: usize = 16 << 20;

/// What handlers share.
pub(crate) struct App {
    /// What is served.
    pub service: Arc<Service>,
    /// In front of the ranker.
    pub gate: Gate,
    /// Who may do what.
    pub keys: Keys,
    /// What is counted.
    pub metrics: Metrics,
}

/// What handlers get.
pub(crate) type Shared = State<Arc<App>>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "semrank",
        description = "Events in, ranked ads and organic items out. Errors are problem documents (RFC 9457)."
    ),
    components(schemas(crate::Problem))
)]
struct Api;

impl App {
    /// Does work that keeps a core busy, beside the threads that answer, when its turn comes.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        candidates: usize,
        work: impl FnOnce(&Service) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.gate.enter(candidates).await?;
        let work = move |service: &Service| {
            let done = work(service);
            drop(place);
            done
        };
        self.beside(work).await?
    }

    /// Does work that waits, beside the threads that answer.
    pub(crate) async fn beside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let service = self.service.clone();
        tokio::task::spawn_blocking(move || work(&service)).await.map_err(|_| failed())
    }
}

fn failed() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this request failed in a way that is a fault of semrank; please report it",
    )
}

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let scoped = |scope: Scope, routes: OpenApiRouter<Arc<App>>| {
        let check = move |State(app): Shared, request: Request, next: Next| async move {
            match app.keys.check(request.headers(), scope) {
                Ok(()) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        };
        routes.route_layer(from_fn_with_state(app.clone(), check))
    };
    let rank = OpenApiRouter::new()
        .routes(routes!(rank::rank))
        .routes(routes!(rank::retrieve))
        .routes(routes!(flags::flag))
        .routes(routes!(flags::flags))
        .routes(routes!(events::user))
        .routes(routes!(items::get))
        .routes(routes!(infer::infer));
    let ingest = OpenApiRouter::new().routes(routes!(events::events)).routes(routes!(
        items::put,
        items::patch,
        items::delete
    ));
    let admin = OpenApiRouter::new()
        .routes(routes!(events::forget))
        .routes(routes!(admin::reload))
        .routes(routes!(admin::rollback))
        .routes(routes!(admin::shadow, admin::shadow_report, admin::drop_shadow))
        .routes(routes!(admin::promote_shadow));
    let open = OpenApiRouter::new()
        .routes(routes!(infer::live))
        .routes(routes!(infer::ready))
        .routes(routes!(infer::server))
        .routes(routes!(infer::model))
        .routes(routes!(infer::model_ready))
        .routes(routes!(metrics::metrics));
    let (router, api) = OpenApiRouter::with_openapi(Api::openapi())
        .merge(scoped(Scope::Rank, rank))
        .merge(scoped(Scope::Ingest, ingest))
        .merge(scoped(Scope::Admin, admin))
        .merge(open)
        .split_for_parts();
    router
        .merge(page::routes())
        .merge(SwaggerUi::new("/docs").url("/openapi.json", api))
        .fallback(routing::any(|| async {
            Problem::not_found("there is nothing here; /docs lists what there is")
        }))
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "another method is expected here; /docs lists them")
        })
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(CatchPanicLayer::custom(|_| failed().into_response()))
        .layer(from_fn_with_state(app.clone(), count))
        .layer(from_fn(security_headers))
        .with_state(app)
}

async fn count(State(app): Shared, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let (method, begin) = (request.method().clone(), Instant::now());
    let response = next.run(request).await;
    // Paths that lead nowhere are one, so that nobody can fill the memory with them.
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered((method.as_str(), route), response.status(), begin.elapsed());
    response
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

/// Nothing but that it was done.
fn done() -> Json<serde_json::Value> {
    Json(serde_json::json!({}))
}
