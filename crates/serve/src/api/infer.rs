//! Health, and the Open Inference Protocol (version 2): a user and candidates in as tensors, items and scores out.

use super::Shared;
use super::problems::Refused;
use crate::body::Body;
use crate::{Problem, RankRequest};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Instant;
use utoipa::ToSchema;

/// A request of the protocol.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InferRequest {
    /// Comes back in the answer.
    id: Option<String>,
    /// `user` (BYTES, one value) and, unless the sources are to find them, `candidates` (BYTES).
    inputs: Vec<Tensor>,
    /// `k`: items to return.
    #[schema(value_type = Option<Object>)]
    parameters: Option<serde_json::Map<String, Value>>,
}

/// A tensor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    /// Flat or nested, row by row.
    #[schema(value_type = Vec<Value>)]
    data: Value,
}

/// An answer of the protocol.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InferResponse {
    model_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `items` (BYTES) and `scores` (FP32), best first.
    outputs: Vec<Tensor>,
}

/// Ranks, as inference servers are asked.
#[utoipa::path(post, path = "/v2/models/semrank/infer", tag = "inference", request_body = InferRequest, responses(
    (status = 200, description = "Items and scores, best first", body = InferResponse),
    Refused,
))]
pub(super) async fn infer(
    State(app): Shared,
    Body(request): Body<InferRequest>,
) -> Result<Json<InferResponse>, Problem> {
    let (received, ask) = (Instant::now(), request.rank()?);
    let cost = ask.candidates.as_ref().map_or(1_000, Vec::len);
    let ranking = app.work(cost, move |service| service.rank_by_score(&ask, received)).await?;
    let shape = vec![ranking.items.len()];
    let tensor = |name: &str, datatype: &str, data| Tensor {
        name: name.to_owned(),
        shape: shape.clone(),
        datatype: datatype.to_owned(),
        data,
    };
    let items: Vec<&str> = ranking.items.iter().map(|one| one.item.as_str()).collect();
    let scores: Vec<f32> = ranking.items.iter().map(|one| one.score).collect();
    let outputs = vec![tensor("items", "BYTES", json!(items)), tensor("scores", "FP32", json!(scores))];
    Ok(Json(InferResponse { model_name: "semrank", id: request.id, outputs }))
}

impl InferRequest {
    pub(crate) fn rank(&self) -> Result<RankRequest, Problem> {
        let mut out = RankRequest::default();
        for (at, tensor) in self.inputs.iter().enumerate() {
            let texts = tensor.texts(&format!("$.inputs[{at}]"))?;
            match (tensor.name.as_str(), texts.len()) {
                ("user", 1) => out.user = texts.into_iter().next(),
                ("user", _) => {
                    return Err(Problem::at(format!("$.inputs[{at}].shape"), "`user` has one value"));
                }
                ("candidates", _) => out.candidates = Some(texts),
                _ => {
                    return Err(Problem::at(
                        format!("$.inputs[{at}].name"),
                        "inputs are `user` and `candidates`",
                    ));
                }
            }
        }
        if let Some(k) = self.parameters.as_ref().and_then(|parameters| parameters.get("k")) {
            let k = k.as_u64().and_then(|k| usize::try_from(k).ok());
            out.k = Some(k.ok_or_else(|| Problem::at("$.parameters.k", "`k` is a whole number above 0"))?);
        } else {
            out.k =
                out.candidates.as_ref().map(|candidates| candidates.len().clamp(1, crate::MOST_CANDIDATES));
        }
        Ok(out)
    }
}

impl Tensor {
    fn texts(&self, path: &str) -> Result<Vec<String>, Problem> {
        if self.datatype != "BYTES" {
            return Err(Problem::at(format!("{path}.datatype"), "ids are texts: `BYTES`"));
        }
        let mut out = Vec::new();
        flatten(&self.data, &mut out).ok_or_else(|| {
            Problem::at(format!("{path}.data"), "a list of texts is expected, flat or nested")
        })?;
        let expected = self.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if expected != Some(out.len()) {
            let shape = &self.shape;
            return Err(Problem::at(
                format!("{path}.shape"),
                format!("{} values; the shape {shape:?} has another number", out.len()),
            ));
        }
        Ok(out)
    }
}

fn flatten(value: &Value, out: &mut Vec<String>) -> Option<()> {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => return list.iter().try_for_each(|value| flatten(value, out)),
        _ => return None,
    }
    Some(())
}

/// Whether the process answers.
#[utoipa::path(get, path = "/v2/health/live", tag = "server", responses((status = 200, description = "It does", body = Object)))]
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// Whether requests are ranked: a server listens only when its model is loaded and its log is read.
#[utoipa::path(get, path = "/v2/health/ready", tag = "server", responses((status = 200, description = "They are", body = Object)))]
pub(super) async fn ready() -> Json<Value> {
    Json(json!({ "ready": true }))
}

/// Name and version of the server.
#[utoipa::path(get, path = "/v2", tag = "inference", responses((status = 200, description = "Name and version", body = Object)))]
pub(super) async fn server() -> Json<Value> {
    Json(json!({ "name": "semrank", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

/// Inputs and outputs of the model.
#[utoipa::path(get, path = "/v2/models/semrank", tag = "inference", responses((status = 200, description = "Inputs and outputs", body = Object)))]
pub(super) async fn model(State(app): Shared) -> Json<Value> {
    let tensor = |name: &str, datatype: &str, size: i64| json!({ "name": name, "datatype": datatype, "shape": [size] });
    Json(json!({
        "name": "semrank",
        "versions": [app.service.model()],
        "platform": "semrank",
        "inputs": [tensor("user", "BYTES", 1), tensor("candidates", "BYTES", -1)],
        "outputs": [tensor("items", "BYTES", -1), tensor("scores", "FP32", -1)],
    }))
}

/// Whether the model is ready.
#[utoipa::path(get, path = "/v2/models/semrank/ready", tag = "inference", responses((status = 200, description = "It is", body = Object)))]
pub(super) async fn model_ready() -> Json<Value> {
    Json(json!({ "name": "semrank", "ready": true }))
}
