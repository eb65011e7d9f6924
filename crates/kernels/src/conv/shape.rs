//! Sizes of a convolution.

/// The sizes of a two-dimensional convolution without groups, `[height, width]` where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub batch: usize,
    pub in_channels: usize,
    pub in_size: [usize; 2],
    pub out_channels: usize,
    pub out_size: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl ConvShape {
    /// The shape with its output size, or `None` if the dilated kernel is larger than the padded input.
    pub fn new(
        [batch, in_channels, in_height, in_width]: [usize; 4],
        [out_channels, kernel_height, kernel_width]: [usize; 3],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
    ) -> Option<Self> {
        let in_size = [in_height, in_width];
        let kernel = [kernel_height, kernel_width];
        let size = |axis: usize| {
            let reach = dilation[axis] * kernel[axis].checked_sub(1)?;
            let padded = in_size[axis] + 2 * padding[axis];
            Some(padded.checked_sub(reach + 1)? / stride[axis] + 1)
        };
        let out_size = [size(0)?, size(1)?];
        Some(Self { batch, in_channels, in_size, out_channels, out_size, kernel, stride, padding, dilation })
    }

    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub fn in_plane(&self) -> usize {
        self.in_size[0] * self.in_size[1]
    }

    pub fn out_plane(&self) -> usize {
        self.out_size[0] * self.out_size[1]
    }

    pub fn in_len(&self) -> usize {
        self.batch * self.in_channels * self.in_plane()
    }

    pub fn out_dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.out_size[0], self.out_size[1]]
    }

    pub fn out_len(&self) -> usize {
        self.batch * self.out_channels * self.out_plane()
    }

    pub fn weight_len(&self) -> usize {
        self.out_channels * self.in_channels * self.taps()
    }

    /// The same convolution with stride one: its output is this one's at every `stride`th pixel.
    pub fn dense(&self) -> Self {
        let size = |axis: usize| {
            self.in_size[axis] + 2 * self.padding[axis] - self.dilation[axis] * (self.kernel[axis] - 1)
        };
        Self { stride: [1, 1], out_size: [size(0), size(1)], ..*self }
    }

    /// The convolution that maps an output gradient to the input gradient: the kernel is flipped and its
    /// channels are swapped. `None` for strides other than one, or if the padding extends beyond the kernel.
    pub fn input_gradient(&self) -> Option<Self> {
        if self.stride != [1, 1] {
            return None;
        }
        let reach = |axis: usize| self.dilation[axis] * (self.kernel[axis] - 1);
        let padding = [reach(0).checked_sub(self.padding[0])?, reach(1).checked_sub(self.padding[1])?];
        Some(Self {
            in_channels: self.out_channels,
            in_size: self.out_size,
            out_channels: self.in_channels,
            out_size: self.in_size,
            padding,
            ..*self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_keeps_the_size() {
        let shape = ConvShape::new([1, 2, 7, 5], [3, 3, 3], [1, 1], [1, 1], [1, 1]).unwrap();
        assert_eq!(shape.out_size, [7, 5]);
        assert_eq!(shape.input_gradient().unwrap().padding, [1, 1]);
    }

    #[test]
    fn kernel_larger_than_the_padded_input_has_no_shape() {
        assert_eq!(ConvShape::new([1, 1, 2, 9], [1, 3, 3], [1, 1], [0, 0], [1, 1]), None);
    }
}
