//! Gradients of the network, and that a score depends on nothing but its row.

use super::*;
use crate::network::{Drops, Inputs, NONE, PointwiseNetwork, PointwiseShape, Saved, Sizes};
use semrank_nn::gradient_check::{compare, compare_all, slope_at};
use semrank_tokens::SemanticIds;
use semrank_tower::PrefixRows;

fn shape() -> PointwiseShape {
    PointwiseShape {
        items: 5,
        content: 3,
        advertisers: 2,
        actions: 2,
        features: 2,
        contexts: vec![3, 2],
        related: 1,
        slots: 3,
        conversions: true,
        dwell: true,
        hazards: 3,
    }
}

fn inputs() -> Inputs {
    Inputs {
        items: vec![4, 1, 0],
        event_items: vec![0, 2, 1],
        event_parts: vec![[0, 1, 2, 0], [1, 3, 0, 1], [1, 0, 5, 1]],
        candidates: vec![1, 0, 1],
        spans: vec![[0, 2], [2, 2], [2, 5]],
        reads: vec![0, 1, 0, 1, 2],
        ages: vec![[3, 0], [1, 2], [4, 1], [0, 0], [0, 3]],
        features: vec![0.3, -1.0, 0.5, 0.2, -0.7, 0.9],
        contexts: vec![0, 1, 2, 0, 1, 1],
        related: vec![2, NONE, 1],
        slots: vec![0, 2, 1],
    }
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2, 1, 1, 2, 0]);
    let prefixes = PrefixRows::new(&ids, &[true; 5], 100);
    let content: Vec<f32> = (0..15).map(|at| ((at * 7 % 11) as f32 - 5.0) / 6.0).collect();
    let items = Items {
        content,
        advertisers: vec![0, 1, u32::MAX, 0, 1],
        prefixes: Some(prefixes.clone()),
        kinds: vec![Kind::Ad; 5],
        known: vec![true; 5],
    };
    let sizes = Sizes {
        dim: 5,
        heads: 2,
        hidden: [7, 6],
        context: 2,
        id_rows: 100,
        ids: true,
        content: true,
        weibull: false,
    };
    let mut network = PointwiseNetwork::<f64>::new(shape(), sizes, Some(&prefixes), 1);
    let mut rng = Rng::new(2, "gradients");
    network.weights.params.iter_mut().for_each(|value| *value += 0.2 * rng.normal());
    for (_, table) in network.weights.tower.tables_mut() {
        table.values.iter_mut().for_each(|value| *value = 0.3 * rng.normal());
    }
    let inputs = inputs();
    let dy: Vec<f64> = (0..3 * network.columns.count).map(|_| rng.normal()).collect();
    let loss = |network: &PointwiseNetwork<f64>| {
        let mut saved = Saved::default();
        network.forward(&items, &inputs, Drops::default(), None, &mut saved);
        saved.logits.iter().zip(&dy).map(|(y, d)| y * d).sum::<f64>()
    };
    let (mut saved, mut grads) = (Saved::default(), vec![0.0; network.weights.params.len()]);
    network.forward(&items, &inputs, Drops::default(), None, &mut saved);
    network.backward(&items, &inputs, Drops::default(), (&dy, &mut saved), &mut grads);

    let (layout, mut params) = (network.weights.layout().clone(), network.weights.params.clone());
    compare_all(&layout, &mut params, &grads, |params| {
        let mut network = network.clone();
        network.weights.params.copy_from_slice(params);
        loss(&network)
    });
    // An item's gradient is that of its row; how a tower adds up those of shared rows is the tower's test.
    let (_, table) = network.weights.tower.tables().next().unwrap();
    let mut ids = table.values.clone();
    for (slot, &item) in inputs.items.iter().enumerate() {
        for i in 0..5 {
            let slope = slope_at(&mut ids, item as usize * 5 + i, |values| {
                let mut network = network.clone();
                network.weights.tower.tables_mut().next().unwrap().1.values.copy_from_slice(values);
                loss(&network)
            });
            compare(&format!("item {item}[{i}]"), saved.dvectors[slot * 5 + i], slope);
        }
    }
}

#[test]
fn a_score_depends_on_its_own_row_only() {
    let world = World::new(400, 1);
    world.with_trainer((&small(), &once(Delay::Window)), |mut trainer| {
        trainer.train_to(i64::MAX).unwrap();
        let rows: Vec<usize> = (320..400).collect();
        let together = trainer.score(&rows, Position::Logged).unwrap();
        for (&row, together) in rows.iter().zip(&together).step_by(7) {
            let alone = trainer.score(&[row], Position::Logged).unwrap()[0];
            assert_eq!(alone, *together, "row {row} alone, and among others");
        }
        let mut turned = rows.clone();
        turned.reverse();
        let turned = trainer.score(&turned, Position::Logged).unwrap();
        assert!(turned.iter().rev().eq(&together), "order of rows");
    });
}

#[test]
fn threads_change_no_byte() {
    let world = World::new(600, 2);
    let run = |threads: usize, train: &TrainSettings| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            world.with_trainer((&small(), train), |mut trainer| {
                trainer.fit(&mut |_, _| true).unwrap();
                let values = trainer.network().weights.values();
                values.flat_map(|(_, values)| values.iter().map(|p| p.to_bits())).collect::<Vec<u32>>()
            })
        })
    };
    for train in [once(Delay::Elapsed), TrainSettings::default()] {
        assert_eq!(run(1, &train), run(3, &train));
    }
}
