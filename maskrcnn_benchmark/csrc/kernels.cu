// Every CUDA kernel in one unit: once an architecture, ATen's headers take longer to compile than all kernels together.
#include "assignment_cuda.cuh"
#include "boxes_cuda.cuh"
#include "nms_cuda.cuh"
#include "roi_align_cuda.cuh"
#include "roi_pool_cuda.cuh"
