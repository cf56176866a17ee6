//! Tensor names, number types, options and model families that must give the same or different vectors.

use crate::model::{DIM, Model, TYPES};
use safetensors::Dtype;
use semrank_embed::testing::{cosine, encode};
use serde_json::json;

#[test]
fn prefixes_old_names_and_narrow_numbers_are_read() {
    let texts = ["red shoes", "teapot lamp"];
    let want = encode(Model::new().open("").expect("a model").as_ref(), &texts);
    for prefix in ["bert.", "model."] {
        let mut model = Model::new();
        model.rename(|name| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            format!("{prefix}{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
        });
        assert_eq!(encode(model.open("").expect("a model").as_ref(), &texts), want);
    }
    let narrow = encode(Model::new().open_as("", Dtype::BF16).expect("a model").as_ref(), &texts);
    assert!(want.chunks(DIM).zip(narrow.chunks(DIM)).all(|(a, b)| cosine(a, b) > 0.99));
}

#[test]
fn options_and_modules_shape_the_vectors() {
    let texts = ["red shoes tea lamp"];
    let model = Model::new();
    let encode_with = |options: &str| {
        let encoder = model.open(options).expect("a model");
        (encode(encoder.as_ref(), &texts), encoder.fingerprint().to_owned())
    };
    let all = ["", "?pool=cls", "?pool=max", "?max_tokens=4"].map(encode_with);
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a.0 != b.0 && a.1 != b.1));
    }
    assert_eq!(all[0], encode_with("?pool=mean"));
    // The length is lost in the normalisation.
    assert!(cosine(&all[0].0, &encode_with("?pool=mean_sqrt_len").0) > 0.999_999);
    let mut plain = Model::new();
    plain.modules.as_array_mut().expect("modules").pop();
    let long = encode(plain.open("").expect("a model").as_ref(), &texts);
    assert!((cosine(&long, &all[0].0) - 1.0).abs() < 1e-6 && long != all[0].0);
}

#[test]
fn roberta_counts_positions_from_its_padding_on() {
    let mut model = Model::new();
    let shape = model.tensors["embeddings.position_embeddings.weight"].1.clone();
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.config["model_type"] = json!("xlm-roberta");
    model.config["pad_token_id"] = json!(1);
    model.config["max_position_embeddings"] = json!(18);
    let shifted = [vec![9.0; 2 * DIM], shape].concat();
    model.tensors.insert("embeddings.position_embeddings.weight".into(), (vec![18, DIM], shifted));
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
    model.refused("?max_tokens=17", &["max_tokens=17", "16 positions"]);
}

#[test]
fn distilbert_has_other_names_and_no_segments() {
    let mut model = Model::new();
    model.tensors.get_mut(TYPES).expect("a tensor").1.fill(0.0);
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.become_distilbert();
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
}

#[test]
fn a_table_of_one_segment_is_a_table() {
    let mut model = Model::new();
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.config["type_vocab_size"] = json!(1);
    let (shape, values) = model.tensors.get_mut(TYPES).expect("a tensor");
    *shape = vec![1, DIM];
    values.truncate(DIM);
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
}
