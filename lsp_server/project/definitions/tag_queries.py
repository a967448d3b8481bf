"""Which nodes of a syntax tree define a name, as tree-sitter queries for each grammar.

A match has the name as ``@name``, its body as ``@body`` where it has one, and the whole
as one of:

- ``@function``: a function, method or constructor; for C and C++ its declarator, which
  stands in pointers and references: patterns for all of them take a tenth of a second
  to compile, and the event loop waits meanwhile;
- ``@class``: what has members; they are the definitions inside of its body;
- ``@type``: a type without code in it, which is shown as it stands;
- ``@field``: a member that is no function;
- ``@value``: a constant or variable, or a macro.

``@owner`` names the class of a method that is defined outside of it. What is defined
inside of a function counts for nothing.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "AROUND_DECLARATORS",
    "DECLARATOR",
    "DECLARED",
    "GRAMMARS",
    "LISTS",
    "QUERIES",
    "WRAPPERS",
]

WRAPPERS = frozenset(
    {
        "ambient_declaration",
        "decorated_definition",
        "export_statement",
        "template_declaration",
    }
)
"""Nodes that belong to the definition inside of them."""

LISTS = frozenset(
    {
        "const_declaration",
        "lexical_declaration",
        "type_declaration",
        "var_declaration",
        "variable_declaration",
    }
)
"""Nodes that belong to the only definition inside of them."""

DECLARATOR = "function_declarator"
AROUND_DECLARATORS = frozenset({"pointer_declarator", "reference_declarator"})
DECLARED = frozenset({"declaration", "field_declaration", "function_definition"})
"""What a declarator, with those around it, declares: no parameter, and no type."""

GRAMMARS: Mapping[str, str] = MappingProxyType(
    {
        "c": "c",
        "cpp": "cpp",
        "csharp": "csharp",
        "cuda-cpp": "cpp",
        "go": "go",
        "java": "java",
        "javascript": "javascript",
        "javascriptreact": "javascript",
        "lua": "lua",
        "python": "python",
        "rust": "rust",
        "shellscript": "bash",
        "typescript": "typescript",
        "typescriptreact": "tsx",
    }
)
"""The grammar of each language that definitions are found in."""

_PYTHON = """
(class_definition name: (identifier) @name body: (block) @body) @class
(function_definition name: (identifier) @name body: (block) @body) @function
(module (assignment left: (identifier) @name) @value)
(class_definition body: (block (assignment left: (identifier) @name) @field))
(type_alias_statement left: (type (identifier) @name)) @type
"""

_JAVASCRIPT_FUNCTIONS = """
(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(method_definition name: (_) @name body: (_) @body) @function
(variable_declarator name: (identifier) @name
  value: (arrow_function body: (_) @body)) @function
(variable_declarator name: (identifier) @name
  value: (function_expression body: (_) @body)) @function
(program (lexical_declaration (variable_declarator name: (identifier) @name) @value))
(export_statement
  (lexical_declaration (variable_declarator name: (identifier) @name) @value))
"""

_JAVASCRIPT = f"""
(class_declaration name: (identifier) @name body: (class_body) @body) @class
(field_definition property: (_) @name) @field
{_JAVASCRIPT_FUNCTIONS}
"""

_TYPESCRIPT = f"""
(class_declaration name: (type_identifier) @name body: (class_body) @body) @class
(abstract_class_declaration name: (type_identifier) @name body: (_) @body) @class
(public_field_definition name: (_) @name) @field
(abstract_method_signature name: (_) @name) @field
(interface_declaration name: (type_identifier) @name) @type
(type_alias_declaration name: (type_identifier) @name) @type
(enum_declaration name: (identifier) @name) @type
(function_signature name: (identifier) @name) @function
{_JAVASCRIPT_FUNCTIONS}
"""

_GO = """
(function_declaration name: (identifier) @name body: (block)? @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @owner
    (generic_type type: (type_identifier) @owner)
    (pointer_type (type_identifier) @owner)
    (pointer_type (generic_type type: (type_identifier) @owner))]))
  name: (field_identifier) @name body: (block)? @body) @function
(type_declaration [(type_spec name: (type_identifier) @name)
  (type_alias name: (type_identifier) @name)] @type)
(const_spec name: (identifier) @name) @value
(var_spec name: (identifier) @name) @value
"""

_RUST = """
(function_item name: (identifier) @name body: (block) @body) @function
(function_signature_item name: (identifier) @name) @function
(struct_item name: (type_identifier) @name) @type
(enum_item name: (type_identifier) @name) @type
(union_item name: (type_identifier) @name) @type
(type_item name: (type_identifier) @name) @type
(trait_item name: (type_identifier) @name body: (declaration_list) @body) @class
(impl_item type: [
  (type_identifier) @name
  (generic_type type: (type_identifier) @name)] body: (declaration_list) @body) @class
(const_item name: (identifier) @name) @value
(static_item name: (identifier) @name) @value
(macro_definition name: (identifier) @name) @value
"""

_JAVA = """
(class_declaration name: (identifier) @name body: (class_body) @body) @class
(interface_declaration name: (identifier) @name body: (interface_body) @body) @class
(record_declaration name: (identifier) @name body: (class_body) @body) @class
(enum_declaration name: (identifier) @name) @type
(annotation_type_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name body: (block)? @body) @function
(constructor_declaration name: (identifier) @name body: (_) @body) @function
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @field
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @field
"""

_C_TYPES = """
(enum_specifier name: (type_identifier) @name body: (_)) @type
(union_specifier name: (type_identifier) @name body: (_)) @type
(type_definition declarator: (type_identifier) @name) @type
(preproc_def name: (identifier) @name value: (_)) @value
(preproc_function_def name: (identifier) @name) @value
"""

_C = f"""
(struct_specifier name: (type_identifier) @name body: (_)) @type
{_C_TYPES}
(function_declarator declarator: (identifier) @name) @function
"""

_CPP = """
(class_specifier name: (_) @name body: (field_declaration_list) @body) @class
(struct_specifier name: (_) @name body: (field_declaration_list) @body) @class
(field_declaration declarator: (field_identifier) @name) @field
(alias_declaration name: (type_identifier) @name) @type
(function_declarator declarator: [
  (identifier) @name
  (field_identifier) @name
  (destructor_name) @name
  (qualified_identifier scope: (_) @owner
    name: [(identifier) @name (destructor_name) @name])]) @function
"""

_CSHARP = """
(class_declaration name: (identifier) @name body: (declaration_list) @body) @class
(interface_declaration name: (identifier) @name body: (declaration_list) @body) @class
(struct_declaration name: (identifier) @name body: (declaration_list) @body) @class
(record_declaration name: (identifier) @name body: (declaration_list)? @body) @class
(enum_declaration name: (identifier) @name) @type
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name body: (_)? @body) @function
(constructor_declaration name: (identifier) @name body: (_)? @body) @function
(property_declaration name: (identifier) @name) @field
(field_declaration
  (variable_declaration (variable_declarator name: (identifier) @name))) @field
"""

_LUA = """
(function_declaration name: [
  (identifier) @name
  (dot_index_expression table: (identifier) @owner field: (identifier) @name)
  (method_index_expression table: (identifier) @owner method: (identifier) @name)]
  body: (block)? @body) @function
(assignment_statement
  (variable_list name: [
    (identifier) @name
    (dot_index_expression field: (identifier) @name)])
  (expression_list value: (function_definition body: (block)? @body))) @function
"""

_BASH = """
(function_definition name: (word) @name body: (_) @body) @function
(program (variable_assignment name: (variable_name) @name) @value)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @value)
"""

QUERIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bash": (_BASH,),
        "c": (_C,),
        "cpp": (_CPP, _C_TYPES),
        "csharp": (_CSHARP,),
        "go": (_GO,),
        "java": (_JAVA,),
        "javascript": (_JAVASCRIPT,),
        "lua": (_LUA,),
        "python": (_PYTHON,),
        "rust": (_RUST,),
        "tsx": (_TYPESCRIPT,),
        "typescript": (_TYPESCRIPT,),
    }
)
"""The queries of each grammar. C++'s takes so long to compile that it is in two pieces:
the event loop waits while a query is compiled, but not between two.
"""
