# Properties of definitions, in the form of nixpkgs' lib, so that either lib makes them.
let
  inherit (builtins) concatMap isAttrs mapAttrs;

  defaultPriority = 100;
  defaultOrder = 1000;

  property = type: attributes: attributes // { _type = type; };
  is = type: value: isAttrs value && value ? _type && value._type == type;

  mkIf = condition: content: property "if" { inherit condition content; };
  mkMerge = contents: property "merge" { inherit contents; };
  mkOverride = priority: content: property "override" { inherit priority content; };
  mkOrder = priority: content: property "order" { inherit priority content; };

  # definition → the definitions without properties that it stands for.
  # A definition is { file, value }; those that come out have priority and order as well.
  strip =
    definition:
    let
      value = definition.value;
      inner = content: strip (definition // { value = content; });
    in
    if is "if" value then
      (if value.condition then inner value.content else [ ])
    else if is "merge" value then
      concatMap inner value.contents
    else if is "override" value then
      map (one: one // { inherit (value) priority; }) (inner value.content)
    else if is "order" value then
      map (one: one // { order = value.priority; }) (inner value.content)
    else
      [
        (
          {
            priority = defaultPriority;
            order = defaultOrder;
          }
          // definition
        )
      ];

  # definition → definitions of plain sets, the properties moved to what is in them.
  # A condition is not looked at here: it may depend on what is being defined.
  push =
    definition:
    let
      value = definition.value;
      inner = content: push (definition // { value = content; });
      each =
        wrap: content:
        map (one: one // { value = mapAttrs (_: wrap) one.value; }) (inner content);
    in
    if is "if" value then
      each (mkIf value.condition) value.content
    else if is "merge" value then
      concatMap inner value.contents
    else if is "override" value then
      each (mkOverride value.priority) value.content
    else if is "order" value then
      each (mkOrder value.priority) value.content
    else
      [ definition ];
in
{
  inherit
    mkIf
    mkMerge
    mkOrder
    mkOverride
    push
    strip
    ;
  mkAfter = mkOrder 1500;
  mkBefore = mkOrder 500;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
}
