"""The two slow–fast systems of arXiv 2312.05715, as the benchmark `crabtree` measures them."""
