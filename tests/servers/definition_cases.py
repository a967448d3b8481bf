"""Definitions in each language, and documents whose imports lead to them."""

from collections.abc import Mapping

Files = Mapping[str, str]

PYTHON_CART = (
    "@dataclass\nclass Cart:\n    '''What is bought.\n\n    More.\n    '''\n"
    "    items: list\n\n    def total(self, tax: float) -> float:\n"
    "        '''Sum.'''\n        secret = 1\n        return secret\n"
)
PYTHON_SHOWN = (
    '@dataclass\nclass Cart:\n    """What is bought."""\n    items: list\n'
    "    def total(self, tax: float) -> float:"
)
TS_CART = (
    "/** What is bought.\n * More. */\nexport class Cart extends Base {\n"
    "  private items: Item[] = [];\n  total(tax: number): number { return 1 }\n}\n"
    "export const sum = (a: number): number => { return secret }\n"
)
GO_CART = (
    "package shop\n\n// Cart is bought.\ntype Cart struct {\n\tItems []int\n}\n\n"
    "func (c *Cart) Total(tax float64) float64 {\n\treturn secret\n}\n"
)
RUST_CART = (
    "/// What is bought.\npub struct Cart {\n    items: u8,\n}\n\nimpl Cart {\n"
    "    pub fn total(&self, tax: f64) -> f64 {\n        secret\n    }\n}\n"
)
JAVA_CART = (
    "package shop.cart;\n\n/** What is bought. */\npublic class Cart {\n"
    "  private int items;\n  public double total(double tax) { return secret; }\n}\n"
)
CSHARP_CART = JAVA_CART.replace("package shop.cart;", "namespace Shop;")
C_HEADER = "/* Sums up. */\ndouble total(struct cart *c, double tax);\n#define TAX 2\n"
CPP_HEADER = (
    "namespace shop {\n// What is bought.\nclass Cart : public Base {\n public:\n"
    "  double total(double tax) const { return secret; }\n};\n}\n"
)
LUA_CART = (
    "local M = {}\n-- Sums up.\nfunction M.total(cart, tax)\n  return secret\nend\n"
)
SHELL_CART = "# Sums up.\ntotal() {\n  echo secret\n}\n"

Case = tuple[str, Files, str, str, str, str]

# Name, files, document, its text up to the cursor, the file found and what is shown.
CASES: list[Case] = [
    ("python", {"shop/cart.py": PYTHON_CART}, "main.py", ("from shop.cart import Cart\n"
     "c = Cart"), "shop/cart.py", PYTHON_SHOWN),
    ("python-alias", {"src/shop/cart.py": PYTHON_CART}, "src/shop/main.py",
     "from .cart import (\n Cart as Basket,  # x\n)\nc = Basket(", "src/shop/cart.py",
     PYTHON_SHOWN),
    ("python-module", {"shop/cart.py": PYTHON_CART}, "tests/a.py",
     "from shop import cart\ncart.Cart(", "shop/cart.py", PYTHON_SHOWN),
    ("python-passed-on", {"shop/cart.py": PYTHON_CART, "shop/__init__.py":
     "from .cart import *\nfrom .other import x\n"}, "main.py",
     "import shop\nshop.Cart(", "shop/cart.py", PYTHON_SHOWN),
    ("typescript", {"lib/cart.ts": TS_CART}, "lib/ui/main.tsx",
     "import { Cart } from '../cart';\nnew Cart(", "lib/cart.ts",
     ("/** What is bought. */\nexport class Cart extends Base {\n"
     "  private items: Item[] = []\n  total(tax: number): number\n}")),
    ("typescript-index", {"lib/index.ts": "export { sum as add } from './cart.js';\n",
     "lib/cart.ts": TS_CART}, "main.ts",
     "import { add } from './lib'\nadd(", "lib/cart.ts",
     "export const sum = (a: number): number =>"),
    ("javascript", {"cart.js": "// Sums up.\nfunction total(tax) { secret }\n"},
     "main.js", "const { total: all } = require('./cart')\nall(", "cart.js",
     "// Sums up.\nfunction total(tax)"),
    ("go", {"go.mod": "module example.com/x\n", "shop/cart.go": GO_CART,
     "shop/cart_test.go": GO_CART}, "cmd/main.go",
     'package main\nimport (\n\t"fmt"\n\t"example.com/x/shop"\n)\nvar c shop.Cart',
     "shop/cart.go", ("// Cart is bought.\ntype Cart struct {\n\tItems []int\n}\n"
     "func (c *Cart) Total(tax float64) float64")),
    ("go-package", {"shop/cart.go": GO_CART}, "shop/other.go",
     "package shop\nfunc f(c *Cart) { c.Total", "shop/cart.go",
     "func (c *Cart) Total(tax float64) float64"),
    ("rust", {"Cargo.toml": "", "src/shop/cart.rs": RUST_CART}, "src/main.rs",
     "use crate::shop::{self, cart::{Cart as Basket}};\nBasket", "src/shop/cart.rs",
     ("/// What is bought.\npub struct Cart {\n    items: u8,\n}\n"
     "impl Cart {\n    pub fn total(&self, tax: f64) -> f64\n}")),
    ("rust-mod", {"Cargo.toml": "", "src/shop/cart.rs": RUST_CART}, "src/shop/mod.rs",
     "mod cart;\nfn f(c: cart::Cart) { c.total", "src/shop/cart.rs",
     "pub fn total(&self, tax: f64) -> f64"),
    ("java", {"app/src/main/java/shop/cart/Cart.java": JAVA_CART},
     "app/src/test/java/shop/Main.java",
     "package shop;\nimport shop.cart.Cart;\nclass Main { Cart",
     "app/src/main/java/shop/cart/Cart.java",
     ("/** What is bought. */\npublic class Cart {\n  private int items;\n"
     "  public double total(double tax)\n}")),
    ("csharp", {"Shop/Cart.cs": CSHARP_CART}, "Shop/Main.cs",
     "namespace Shop;\nclass Main { Cart", "Shop/Cart.cs", ("public class Cart {\n"
     "  private int items;\n  public double total(double tax)\n}")),
    ("c", {"include/cart.h": C_HEADER}, "src/main.c",
     '#include <stdio.h>\n#include "cart.h"\nint main() { total(', "include/cart.h",
     "/* Sums up. */\ndouble total(struct cart *c, double tax);"),
    ("cpp", {"lib/cart.hpp": CPP_HEADER}, "lib/cart.cpp",
     "namespace shop { Cart", "lib/cart.hpp", ("// What is bought.\n"
     "class Cart : public Base {\n  double total(double tax) const\n}")),
    ("lua", {"lua/shop/cart.lua": LUA_CART}, "main.lua",
     'local c = require("shop.cart")\nc.total(', "lua/shop/cart.lua",
     "-- Sums up.\nfunction M.total(cart, tax)"),
    ("shell", {"lib/cart.sh": SHELL_CART}, "run.sh",
     '. "$(dirname "$0")/lib/cart.sh"\ntotal', "lib/cart.sh",
     "# Sums up.\ntotal()"),
]  # fmt: skip
