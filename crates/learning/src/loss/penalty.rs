//! The elastic-net penalty on the weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, backend::Backend};

/// Elastic net l₁ Σ |w| + l₂ Σ w² over all parameters with two axes or more: the weights of
/// convolutions and linear layers, not biases and norms. `None` if both factors are zero or there
/// are no such weights.
///
/// # Shapes
/// Result `[1]`.
///
/// # References
/// Zou & Hastie (2005), equation 3.
pub fn elastic_net<B: Backend, M: Module<B>>(network: &M, l1: f64, l2: f64) -> Option<Tensor<B, 1>> {
    struct Sum<B: Backend> {
        l1: f64,
        l2: f64,
        total: Option<Tensor<B, 1>>,
    }
    impl<B: Backend> Sum<B> {
        fn add(&mut self, term: Tensor<B, 1>, factor: f64) {
            let term = term * factor;
            self.total = Some(match self.total.take() {
                Some(total) => total + term,
                None => term,
            });
        }
    }
    impl<B: Backend> ModuleVisitor<B> for Sum<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if D < 2 {
                return;
            }
            let weight = param.val();
            if self.l1 > 0.0 {
                self.add(weight.clone().abs().sum(), self.l1);
            }
            if self.l2 > 0.0 {
                self.add((weight.clone() * weight).sum(), self.l2);
            }
        }
    }
    let mut sum = Sum { l1, l2, total: None };
    network.visit(&mut sum);
    sum.total
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;

    #[test]
    fn weights_count_and_biases_do_not() {
        type Ad = Autodiff<Flex>;
        let device = Default::default();
        let mut linear: Linear<Ad> = LinearConfig::new(2, 2).init(&device);
        linear.weight = Param::from_data([[0.5f32, -1.0], [2.0, 0.0]], &device);
        linear.bias = Some(Param::from_data([7.0f32, 7.0], &device));
        let value = |l1, l2| elastic_net(&linear, l1, l2).map(|total| total.into_scalar());
        assert_eq!(value(0.0, 0.0), None);
        assert_eq!(value(2.0, 0.0), Some(7.0));
        assert_eq!(value(0.0, 2.0), Some(10.5));
        assert_eq!(value(1.0, 1.0), Some(8.75));

        let total = elastic_net(&linear, 1.0, 0.5).expect("weights");
        let gradients = GradientsParams::from_grads(total.backward(), &linear);
        let of_weight = gradients.get::<Flex, 2>(linear.weight.id).expect("a gradient").into_data();
        // sign(w) + w
        assert_eq!(of_weight.to_vec::<f32>().expect("floats"), [1.5, -2.0, 3.0, 0.0]);
        assert!(gradients.get::<Flex, 1>(linear.bias.as_ref().expect("a bias").id).is_none());
    }
}
