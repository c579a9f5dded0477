"""The derivatives of a tanh network with a softmax loss by PyTorch, for the suite `network` of kappa-bench.

Lines come from the standard input and answers go to the standard output:

  network SIZES SAMPLES PRECISION   then, as bytes, x, v and features (float64) and labels (int32)
  threads N                         for all that follows
  time WORK SECONDS                 answers milliseconds of one run, the mean over so many seconds
  value WORK                        answers the result as float64, laid out like x

x holds W (units x inputs, its columns behind each other) and b of each layer in turn;
features hold sample after sample.Works : gradient, exact, gauss - newton;
products are with v. Graphs that depend on the point alone
(the gradient's, and that of the network's vector-Jacobian product) are built before a product is timed, as
the other side's linearization is.
"""

import os
import sys
import time

requests = sys.stdin.buffer
answers = sys.stdout.buffer


def answer(text):
    answers.write((text + "\n").encode())
    answers.flush()


try:
    import torch
except ImportError as error:
    answer("absent " + str(error))
    sys.exit(0)


def matrix_library():
    """The file that the products of dense matrices come from, where the system tells."""
    try:
        with open("/proc/self/maps") as maps:
            names = {line.split()[-1] for line in maps if "blas" in line and ".so" in line}
        return ", ".join(sorted(os.path.basename(os.path.realpath(name)) for name in names))
    except OSError:
        return ""


def read_numbers(count, kind):
    size = torch.empty(0, dtype=kind).element_size()
    return torch.frombuffer(bytearray(requests.read(count * size)), dtype=kind)


class Bed:
    def __init__(self, sizes, samples, precision):
        self.real = torch.float32 if precision == "single" else torch.float64
        self.shapes = list(zip(sizes[1:], sizes[:-1]))
        count = sum(units * (inputs + 1) for units, inputs in self.shapes)
        self.parameters = [p.requires_grad_() for p in self.split(read_numbers(count, torch.float64))]
        self.v = self.split(read_numbers(count, torch.float64))
        self.features = read_numbers(samples * sizes[0], torch.float64).reshape(samples, sizes[0]).to(self.real)
        self.labels = read_numbers(samples, torch.int32).long()
        self.graphs = {}

    def split(self, x):
        out, at = [], 0
        for units, inputs in self.shapes:
            weights = x[at : at + units * inputs].reshape(inputs, units).t()
            at += units * inputs
            out += [weights.contiguous().to(self.real), x[at : at + units].to(self.real)]
            at += units
        return out

    def logits(self):
        a = self.features
        for layer in range(len(self.shapes)):
            weights, bias = self.parameters[2 * layer : 2 * layer + 2]
            z = torch.nn.functional.linear(a, weights, bias)
            a = torch.tanh(z) if layer + 1 < len(self.shapes) else z
        return a

    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.labels)

    def gradient(self):
        return torch.autograd.grad(self.loss(self.logits()), self.parameters)

    def exact(self):
        if "exact" not in self.graphs:
            self.graphs["exact"] = torch.autograd.grad(
                self.loss(self.logits()), self.parameters, create_graph=True
            )
        return torch.autograd.grad(self.graphs["exact"], self.parameters, self.v, retain_graph=True)

    def gauss_newton(self):
        if "gauss-newton" not in self.graphs:
            z = self.logits()
            w = torch.zeros_like(z, requires_grad=True)
#Linear in w, so that its own vector - Jacobian product with v is the product of z's Jacobian.
            transposed = torch.autograd.grad(z, self.parameters, w, create_graph=True)
            self.graphs["gauss-newton"] = z, w, transposed, torch.softmax(z, 1).detach()
        z, w, transposed, y = self.graphs["gauss-newton"]
        (moved,) = torch.autograd.grad(transposed, w, self.v, retain_graph=True)
        bent = y * (moved - (y * moved).sum(1, keepdim=True)) / len(y)
        return torch.autograd.grad(z, self.parameters, bent, retain_graph=True)

    def run(self, work):
        return {"gradient": self.gradient, "exact": self.exact, "gauss-newton": self.gauss_newton}[work]()

    def joined(self, parts):
        flat = [(p.t() if p.dim() == 2 else p).reshape(-1).double() for p in parts]
        return torch.cat(flat).contiguous()


version = torch.__version__
(torch.ones(64, 64) @ torch.ones(64, 64)).sum()  # so that the library is there to be named
answer("ready PyTorch " + version + (" with " + matrix_library() if matrix_library() else ""))
bed = None
for line in requests:
    words = line.decode().split()
    if words[0] == "network":
        bed = Bed([int(size) for size in words[1].split("-")], int(words[2]), words[3])
    elif words[0] == "threads":
        torch.set_num_threads(int(words[1]))
    elif words[0] == "time":
        bed.run(words[1])
        began, times, passed = time.perf_counter(), 0, 0.0
        while passed < float(words[2]):
            bed.run(words[1])
            times += 1
            passed = time.perf_counter() - began
        answer(repr(1e3 * passed / times))
    elif words[0] == "value":
        answers.write(bed.joined(bed.run(words[1])).detach().numpy().tobytes())
        answers.flush()
