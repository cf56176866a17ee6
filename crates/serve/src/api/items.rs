//! Items: put in, changed, taken away, looked at.

use super::problems::{NotThere, Refused};
use super::{Shared, done};
use crate::body::Body;
use crate::{Problem, event};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use semrank_pipeline::retrieval::{Change, FieldValue, Fields};
use serde_json::{Map, Value};

/// Candidates that the encoding of a text counts as.
const OF_ENCODING: usize = 100;

/// Texts and columns of an item.
#[utoipa::path(get, path = "/v1/items/{id}", tag = "items", params(("id" = String, Path, description = "The item's id")), responses(
    (status = 200, description = "Its texts and columns", body = Object),
    NotThere,
))]
pub(super) async fn get(
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<Json<Map<String, Value>>, Problem> {
    app.work(1, move |service| {
        let fields =
            service.item(&id).ok_or_else(|| Problem::not_found(format!("there is no item `{id}`")))?;
        let mut out = Map::from_iter([("item_id".to_owned(), Value::String(id))]);
        out.extend(fields.into_iter().map(|(name, value)| (name, json(value))));
        Ok(Json(out))
    })
    .await
}

/// The item is this, whatever it was: texts and columns that are not named are absent. The next answer sees it.
#[utoipa::path(put, path = "/v1/items/{id}", tag = "items", request_body = Object, params(("id" = String, Path, description = "The item's id")), responses(
    (status = 200, description = "Durable, and seen by the next answer", body = Object),
    Refused,
))]
pub(super) async fn put(
    app: Shared,
    Path(id): Path<String>,
    Body(fields): Body<Map<String, Value>>,
) -> Result<Json<Value>, Problem> {
    change(app, Change::Put(checked(id)?, read(fields)?)).await
}

/// What is named changes, the rest stays.
#[utoipa::path(patch, path = "/v1/items/{id}", tag = "items", request_body = Object, params(("id" = String, Path, description = "The item's id")), responses(
    (status = 200, description = "Durable, and seen by the next answer", body = Object),
    Refused,
    NotThere,
))]
pub(super) async fn patch(
    app: Shared,
    Path(id): Path<String>,
    Body(fields): Body<Map<String, Value>>,
) -> Result<Json<Value>, Problem> {
    change(app, Change::Patch(checked(id)?, read(fields)?)).await
}

/// Takes an item away: it is shown no more.
#[utoipa::path(delete, path = "/v1/items/{id}", tag = "items", params(("id" = String, Path, description = "The item's id")), responses(
    (status = 204, description = "Durable: no answer has it"),
    Refused,
    NotThere,
))]
pub(super) async fn delete(app: Shared, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    change(app, Change::Delete(checked(id)?)).await.map(|_| StatusCode::NO_CONTENT)
}

async fn change(State(app): Shared, change: Change) -> Result<Json<Value>, Problem> {
    app.work(OF_ENCODING, move |service| service.change(&[change])).await.map(|()| done())
}

fn checked(id: String) -> Result<String, Problem> {
    event::check_id(&id, "$").map(|()| id)
}

fn read(fields: Map<String, Value>) -> Result<Fields, Problem> {
    let one = |(name, value): (String, Value)| {
        let wrong = || {
            Problem::at(
                format!("$.{name}"),
                "a text, a number, true, false, null or a list of texts is expected",
            )
        };
        let value = match value {
            Value::Null => FieldValue::Absent,
            Value::Bool(value) => FieldValue::Text(value.to_string()),
            Value::Number(number) => FieldValue::Number(number.as_f64().ok_or_else(wrong)?),
            Value::String(text) => FieldValue::Text(text),
            Value::Array(list) => {
                let text = |value: Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
                FieldValue::Texts(list.into_iter().map(text).collect::<Result<_, _>>()?)
            }
            Value::Object(_) => return Err(wrong()),
        };
        Ok((name, value))
    };
    fields.into_iter().filter(|(name, _)| name != "item_id").map(one).collect()
}

fn json(value: FieldValue) -> Value {
    match value {
        FieldValue::Absent => Value::Null,
        FieldValue::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).into(),
        FieldValue::Number(number) => number.into(),
        FieldValue::Text(text) => text.into(),
        FieldValue::Texts(texts) => texts.into(),
    }
}
