"""BPF: what xdp/ and tc/ share: libbpf, and the matcher that turns rules into map contents."""
