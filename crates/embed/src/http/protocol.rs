//! Requests to an endpoint and its responses, as JSON.

use semrank_core::counted;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// text-embeddings-inference's `/embed`.
    Tei,
    /// OpenAI's `/v1/embeddings`, which many servers speak.
    OpenAi,
}

/// A vector; `None` is a `null`, which is how some servers write NaN.
pub(super) type Vector = Vec<Option<f32>>;

#[derive(Serialize)]
struct TeiRequest<'a> {
    inputs: &'a [&'a str],
    truncate: bool,
}

#[derive(Serialize)]
struct OpenAiRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    input: &'a [&'a str],
}

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vector,
}

impl Api {
    /// Its word in the options.
    pub(super) fn name(self) -> &'static str {
        match self {
            Api::Tei => "tei",
            Api::OpenAi => "openai",
        }
    }

    /// The body of a request.
    pub(super) fn request(self, model: Option<&str>, texts: &[&str]) -> Vec<u8> {
        let json = match self {
            Api::Tei => serde_json::to_vec(&TeiRequest { inputs: texts, truncate: true }),
            Api::OpenAi => serde_json::to_vec(&OpenAiRequest { model, input: texts }),
        };
        json.unwrap_or_else(|_| unreachable!("strings are JSON"))
    }

    /// The vectors of an answer in the order of the `texts` sent, or what is wrong with it.
    pub(super) fn vectors(self, answer: &[u8], texts: usize) -> Result<Vec<Vector>, String> {
        let vectors = match self {
            Api::Tei => json(answer, "[[number, …], …]")?,
            Api::OpenAi => {
                let answer: OpenAiAnswer =
                    json(answer, "{\"data\": [{\"index\": …, \"embedding\": [number, …]}, …]}")?;
                in_order(answer.data)?
            }
        };
        if vectors.len() == texts {
            return Ok(vectors);
        }
        let vectors = counted(vectors.len(), "vector", "vectors");
        Err(format!("{vectors} for {}", counted(texts, "text", "texts")))
    }
}

/// Embeddings by their index, which must be 0, 1, 2 …
fn in_order(mut data: Vec<Embedding>) -> Result<Vec<Vector>, String> {
    data.sort_by_key(|embedding| embedding.index);
    if let Some(expected) = (0..data.len()).find(|&i| data[i].index != i) {
        return Err(format!("the answer has index {}, expected {expected}", data[expected].index));
    }
    Ok(data.into_iter().map(|embedding| embedding.embedding).collect())
}

fn json<T: DeserializeOwned>(answer: &[u8], expected: &str) -> Result<T, String> {
    serde_json::from_slice(answer).or_else(|error| {
        // Python writes bare NaN, which is not JSON; as null it is found at its item.
        let text = String::from_utf8_lossy(answer);
        let nulls = text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
        serde_json::from_str(&nulls).map_err(|_| {
            let start: String = text.chars().take(80).collect();
            format!("the answer `{start}` is not the JSON {expected}: {error}")
        })
    })
}
