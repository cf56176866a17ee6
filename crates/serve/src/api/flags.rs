//! Arms for other programs: OpenFeature's remote evaluation protocol (OFREP 0.2), so that a front end shares the arm of a ranking.
//!
//! A test is a flag of its name; its variants are the arms, and a variant's value is its name.

use super::Shared;
use super::problems::Refused;
use crate::Problem;
use crate::body::Body;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a flag is evaluated for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct EvaluationRequest {
    /// `targetingKey` is the unit's id; other entries are columns that a test may target, such as `surface`.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Map<String, Value>,
}

/// A flag's value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Evaluation {
    /// The test.
    key: String,
    /// `SPLIT`, or `DEFAULT` where the unit takes no part: then the program's own default counts.
    reason: &'static str,
    /// The arm.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    /// The arm.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// All flags.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Evaluations {
    /// One for each test.
    flags: Vec<Evaluation>,
}

/// Why a flag has no value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct EvaluationFailure {
    /// The test that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// `FLAG_NOT_FOUND`, `TARGETING_KEY_MISSING` or `INVALID_CONTEXT`.
    #[serde(rename = "errorCode")]
    error_code: &'static str,
    /// In words.
    #[serde(rename = "errorDetails")]
    error_details: String,
}

impl EvaluationFailure {
    fn answer(status: StatusCode, key: Option<&str>, error_code: &'static str, why: &str) -> Response {
        (status, Json(Self { key: key.map(str::to_owned), error_code, error_details: why.to_owned() }))
            .into_response()
    }
}

fn unit(request: &EvaluationRequest, key: Option<&str>) -> Result<String, Box<Response>> {
    let missing = |code: &'static str, why: &str| {
        Box::new(EvaluationFailure::answer(StatusCode::BAD_REQUEST, key, code, why))
    };
    match request.context.get("targetingKey") {
        Some(Value::String(unit)) if !unit.is_empty() => Ok(unit.clone()),
        Some(_) => Err(missing("INVALID_CONTEXT", "`context.targetingKey` is a text that is not empty")),
        None => Err(missing(
            "TARGETING_KEY_MISSING",
            "`context.targetingKey` names the unit, such as the user's id",
        )),
    }
}

fn evaluation(key: &str, arm: Option<&str>) -> Evaluation {
    let arm = arm.map(str::to_owned);
    let reason = if arm.is_some() { "SPLIT" } else { "DEFAULT" };
    Evaluation { key: key.to_owned(), reason, variant: arm.clone(), value: arm }
}

/// The arm of a unit in one test.
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags/{key}", tag = "flags", params(("key" = String, Path, description = "Name of the test")),
    request_body = EvaluationRequest, responses(
    (status = 200, description = "The arm", body = Evaluation),
    (status = 400, description = "No unit", body = EvaluationFailure),
    (status = 404, description = "No such test", body = EvaluationFailure),
    Refused,
))]
pub(super) async fn flag(
    State(app): Shared,
    Path(key): Path<String>,
    Body(request): Body<EvaluationRequest>,
) -> Result<Response, Problem> {
    let unit = match unit(&request, Some(&key)) {
        Ok(unit) => unit,
        Err(answer) => return Ok(*answer),
    };
    Ok(match app.service.arm_of(&key, (&unit, &request.context)) {
        Ok(arm) => Json(evaluation(&key, arm)).into_response(),
        Err(()) => EvaluationFailure::answer(
            StatusCode::NOT_FOUND,
            Some(&key),
            "FLAG_NOT_FOUND",
            "there is no test of this name",
        ),
    })
}

/// The arms of a unit in all tests.
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags", tag = "flags", request_body = EvaluationRequest, responses(
    (status = 200, description = "All arms", body = Evaluations),
    (status = 400, description = "No unit", body = EvaluationFailure),
    Refused,
))]
pub(super) async fn flags(
    State(app): Shared,
    Body(request): Body<EvaluationRequest>,
) -> Result<Response, Problem> {
    let unit = match unit(&request, None) {
        Ok(unit) => unit,
        Err(answer) => return Ok(*answer),
    };
    let arm = |name: &str| app.service.arm_of(name, (&unit, &request.context)).ok().flatten();
    let flags = app.service.tests().map(|name| evaluation(name, arm(name))).collect();
    Ok(Json(Evaluations { flags }).into_response())
}
