//! The same bytes on every level of instructions and in any batch.

use super::*;
use crate::{Init, Layout, gelu_erf, kernel::limit};
use semrank_core::Rng;

fn values(len: usize, name: &str) -> Vec<f32> {
    let mut rng = Rng::new(7, name);
    (0..len).map(|_| rng.normal() as f32).collect()
}

#[test]
fn every_level_gives_the_same_bytes_and_they_agree_with_the_trained_map() {
    for (rows, inputs, outputs) in [(1, 3, 1), (8, 64, 48), (21, 40, 100), (13, 7, 49)] {
        let mut layout = Layout::new();
        let linear = Linear::new(&mut layout, "map", inputs, outputs, Init::Normal(0.1));
        let params = values(layout.len(), "params");
        let x = values(rows * inputs, "x");
        let packed = PackedLinear::new(&linear, &params);
        let run = |most| {
            limit(most);
            let mut y = vec![f32::NAN; rows * outputs];
            packed.forward(&x, Some(Gelu::Exact), &mut y);
            y
        };
        let portable = run(Level::Portable);
        assert!(run(Level::Avx2) == portable && run(Level::Avx512) == portable);
        let mut plain = vec![0.0; rows * outputs];
        linear.forward(&params, &x, &mut plain);
        let mut want = plain.clone();
        gelu_erf(&plain, &mut want);
        for (got, want) in portable.iter().zip(&want) {
            assert!((got - want).abs() < 1e-4, "{got} {want}");
        }
    }
}

#[test]
fn without_an_activation_it_has_the_bytes_of_the_trained_map() {
    for (rows, inputs, outputs) in [(5, 40, 50), (9, 512, 49), (7, 1000, 20), (3, 1537, 96)] {
        let mut layout = Layout::new();
        let linear = Linear::new(&mut layout, "map", inputs, outputs, Init::Normal(0.1));
        let (params, x) = (values(layout.len(), "params"), values(rows * inputs, "x"));
        let (mut want, mut got) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
        linear.forward(&params, &x, &mut want);
        let packed = PackedLinear::new(&linear, &params);
        for most in [Level::Portable, Level::Avx2, Level::Avx512] {
            limit(most);
            packed.forward(&x, None, &mut got);
            assert!(got == want, "{inputs} inputs, {}", most.name());
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let mut layout = Layout::new();
    let linear = Linear::new(&mut layout, "map", 33, 50, Init::Normal(0.1));
    let packed = PackedLinear::new(&linear, &values(layout.len(), "params"));
    let x = values(19 * 33, "x");
    let mut all = vec![0.0; 19 * 50];
    packed.forward(&x, None, &mut all);
    for (x, want) in x.chunks(33).zip(all.chunks(50)) {
        let mut y = vec![0.0; 50];
        packed.forward(x, None, &mut y);
        assert_eq!(y, want);
    }
}
