"""One-pass RGB + metric depth + instance-id renderer (moderngl on EGL, also on llvmpipe).

Shadow-mapped key light, image-based ambient from a small environment map, GGX highlight,
filmic tone map. Depth is the z coordinate in the optical frame (metres), 0 where nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.extras import require
from spacesgg_ros.graph.types import Intrinsics

from .assets import MeshPart

BACKGROUND_ID = 0
_NEAR_M, _FAR_M = 0.05, 20.0
_SHADOW_PX = 768
_GLASS_BELOW = 0.95
_UNREADABLE = 256
"""Added to the instance id where a depth camera gets no reading; ids are below this."""

_VERTEX = """#version 330
in vec3 position; in vec3 normal; in vec2 uv;
uniform mat4 model; uniform mat4 view; uniform mat4 view_projection; uniform mat4 shadow_matrix;
out vec3 world_position; out vec3 world_normal; out vec2 surface_uv; out float depth_m;
out vec4 shadow_position;
void main() {
  vec4 world = model * vec4(position, 1);
  world_position = world.xyz; world_normal = mat3(model) * normal; surface_uv = uv;
  depth_m = -(view * world).z; shadow_position = shadow_matrix * world;
  gl_Position = view_projection * world;
}"""

_FRAGMENT = """#version 330
in vec3 world_position; in vec3 world_normal; in vec2 surface_uv; in float depth_m;
in vec4 shadow_position;
uniform sampler2D albedo_map; uniform sampler2D shadow_map; uniform sampler2D environment;
uniform int textured; uniform int transparent; uniform int instance;
uniform vec4 diffuse; uniform vec3 tint; uniform float specular; uniform float roughness;
uniform vec3 eye; uniform vec3 key_direction; uniform vec3 key_colour;
uniform vec3 fill_direction; uniform vec3 fill_colour; uniform float ambient;
uniform float exposure;
layout(location=0) out vec4 colour; layout(location=1) out float depth;
layout(location=2) out int instance_id;
const float PI = 3.14159265;
vec3 sky(vec3 d, float lod) {
  vec2 at = vec2(atan(d.y, d.x) / (2 * PI) + .5, acos(clamp(d.z, -1, 1)) / PI);
  return textureLod(environment, at, lod).rgb;
}
float ggx(vec3 n, vec3 v, vec3 l, float r) {
  vec3 h = normalize(v + l); float a = r * r; float d = max(dot(n, h), 0.);
  float q = d * d * (a * a - 1) + 1; return a * a / (PI * q * q) * .25 / max(.2, dot(n, v));
}
float lit(vec3 n) {
  vec3 s = shadow_position.xyz / shadow_position.w * .5 + .5;
  if (any(lessThan(s.xy, vec2(0))) || any(greaterThan(s.xy, vec2(1)))) return 1.;
  float bias = .0025 + .004 * (1 - max(dot(n, key_direction), 0.)); float sum = 0.;
  vec2 texel = 1.5 / vec2(textureSize(shadow_map, 0));
  for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++)
    sum += texture(shadow_map, s.xy + vec2(i, j) * texel).r > s.z - bias ? 1. : 0.;
  return sum / 9.;
}
void main() {
  vec4 base = diffuse;
  if (textured == 1) {
    vec4 t = texture(albedo_map, surface_uv);
    base = vec4(pow(t.rgb, vec3(2.2)), t.a * diffuse.a);
  } else base.rgb = pow(base.rgb, vec3(2.2));
  base.rgb *= tint;
  if (base.a < .35 && transparent == 0) discard;
  vec3 n = normalize(world_normal); vec3 v = normalize(eye - world_position);
  if (dot(n, v) < 0) n = -n;
  float shade = lit(n); float nl = max(dot(n, key_direction), 0.);
  vec3 c = base.rgb * (sky(n, 6.) * ambient + key_colour * nl * shade
                       + fill_colour * max(dot(n, fill_direction), 0.));
  float f = specular + (1 - specular) * pow(1 - max(dot(n, v), 0.), 5.) * (1 - roughness);
  c += f * sky(reflect(-v, n), roughness * 6.) * ambient
     + specular * 6 * ggx(n, v, key_direction, max(roughness, .15)) * key_colour * nl * shade;
  c *= exposure; c = (c * (2.51 * c + .03)) / (c * (2.43 * c + .59) + .14);
  colour = vec4(pow(clamp(c, 0, 1), vec3(1 / 2.2)), transparent == 1 ? base.a : 1.);
  bool unreadable = transparent == 1 || dot(base.rgb, vec3(.21, .72, .07)) < .012
                    || (specular > .2 && roughness < .4);
  depth = depth_m; instance_id = instance + (unreadable ? 256 : 0);
}"""

_SHADOW_VERTEX = """#version 330
in vec3 position; uniform mat4 model; uniform mat4 shadow_matrix;
void main() { gl_Position = shadow_matrix * model * vec4(position, 1); }"""

_SHADOW_FRAGMENT = "#version 330\nvoid main() {}"


_SILHOUETTE_VERTEX = """#version 330
in vec3 position; in vec2 uv; uniform mat4 model; uniform mat4 view_projection;
out vec2 surface_uv;
void main() { surface_uv = uv; gl_Position = view_projection * model * vec4(position, 1); }"""

_SILHOUETTE_FRAGMENT = """#version 330
in vec2 surface_uv; uniform sampler2D albedo_map; uniform int holed; uniform float opacity;
out float seen;
void main() {
  if (holed == 1 && texture(albedo_map, surface_uv).a * opacity < .35) discard;
  seen = 1.;
}"""


@dataclass(frozen=True)
class Light:
    """Illumination. Directions point towards the light, colours are linear RGB."""

    key_direction: np.ndarray
    key_colour: np.ndarray
    fill_direction: np.ndarray
    fill_colour: np.ndarray
    ambient: float
    exposure: float
    environment: np.ndarray
    """``(h, w, 3)`` float32 equirectangular radiance, z up."""


@dataclass(frozen=True)
class Drawable:
    """A mesh part placed in the world (4x4 model matrix) under an instance id."""

    part: MeshPart
    pose: np.ndarray
    instance: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    texture: np.ndarray | None = None
    casts_shadow: bool = True


@dataclass(frozen=True)
class Camera:
    """Pinhole camera. ``pose``: 4x4 optical frame (x right, y down, z forward) in the world."""

    intrinsics: Intrinsics
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))

    @staticmethod
    def looking_at(intrinsics: Intrinsics, eye: np.ndarray, target: np.ndarray) -> Camera:
        """A level camera at ``eye`` whose optical axis meets ``target`` (world, z up)."""
        forward = np.asarray(target, float) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = eye
        return Camera(intrinsics, pose)


class Renderer:
    """Draws one image size; keeps meshes and textures on the device between frames."""

    def __init__(self, width: int, height: int, supersample: int = 1) -> None:
        gl = require("moderngl", "scenes")
        self._gl = gl.create_context(standalone=True, backend="egl", require=330)
        self._moderngl = gl
        self.width, self.height, self.supersample = width, height, supersample
        size = (width * supersample, height * supersample)
        self._program = self._gl.program(_VERTEX, _FRAGMENT)
        self._shadow_program = self._gl.program(_SHADOW_VERTEX, _SHADOW_FRAGMENT)
        self._colour = self._gl.texture(size, 4)
        self._depth = self._gl.texture(size, 1, dtype="f4")
        self._ids = self._gl.texture(size, 1, dtype="i4")
        self._frame = self._gl.framebuffer(
            [self._colour, self._depth, self._ids], self._gl.depth_renderbuffer(size)
        )
        self._shadow_map = self._gl.depth_texture((_SHADOW_PX, _SHADOW_PX))
        self._shadow_map.compare_func = ""
        self._shadow_map.filter = (gl.NEAREST, gl.NEAREST)
        self._shadow_frame = self._gl.framebuffer(depth_attachment=self._shadow_map)
        self._silhouette_program = self._gl.program(_SILHOUETTE_VERTEX, _SILHOUETTE_FRAGMENT)
        self._silhouette = self._gl.framebuffer([self._gl.texture((3 * width, 3 * height), 1)])
        self._white = self._gl.texture((1, 1), 4, b"\xff" * 4)
        self._meshes: dict[int, tuple] = {}
        self._textures: dict[int, tuple] = {}

    def render(
        self,
        drawables: list[Drawable],
        camera: Camera,
        light: Light,
        shadow_centre: np.ndarray,
        shadow_radius_m: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Colour ``(H, W, 3)`` uint8, depth ``(H, W)`` float32 m, ids ``(H, W)`` int32, and
        where a depth camera gets no reading (glass, black, mirrors), ``(H, W)`` bool."""
        key = light.key_direction / np.linalg.norm(light.key_direction)
        shadow = _orthographic(shadow_radius_m) @ _view_matrix(
            _pose_looking(shadow_centre + key * 4, shadow_centre)
        )
        self._draw_shadow(drawables, shadow)
        k = camera.intrinsics.scaled_to(
            self.width * self.supersample, self.height * self.supersample
        )
        view = _view_matrix(camera.pose)
        self._set_frame_uniforms(camera, light, key, view, _projection(k) @ view, shadow)
        environment = self._environment(light.environment)
        environment.use(0)
        self._shadow_map.use(1)
        self._frame.use()
        self._frame.clear(0, 0, 0, 0)
        self._gl.enable(self._moderngl.DEPTH_TEST)
        opaque = [d for d in drawables if d.part.material.opacity >= _GLASS_BELOW]
        glass = [d for d in drawables if d.part.material.opacity < _GLASS_BELOW]
        for drawable in opaque:
            self._draw(drawable, transparent=False)
        if glass:
            self._gl.enable(self._moderngl.BLEND)
            self._gl.blend_func = self._moderngl.SRC_ALPHA, self._moderngl.ONE_MINUS_SRC_ALPHA
            for drawable in glass:
                self._draw(drawable, transparent=True)
            self._gl.disable(self._moderngl.BLEND)
        result = self._read()
        environment.release()
        return result

    def amodal_pixels(self, drawables: list[Drawable], camera: Camera) -> tuple[int, int]:
        """Pixels that ``drawables`` would cover with nothing in front: in the image, and in a
        picture three times as wide and high around it (what the border cuts off).
        """
        w, h, k = self.width, self.height, camera.intrinsics
        wide = Intrinsics(k.fx, k.fy, k.cx + w, k.cy + h, 3 * w, 3 * h)
        program = self._silhouette_program
        program["view_projection"].write(_bytes(_projection(wide) @ _view_matrix(camera.pose)))
        program["albedo_map"].value = 2
        self._silhouette.use()
        self._silhouette.clear()
        self._gl.disable(self._moderngl.DEPTH_TEST)
        for drawable in drawables:
            material = drawable.part.material
            texture = drawable.texture if drawable.texture is not None else material.texture
            program["holed"].value = 0
            if texture is not None and material.opacity >= _GLASS_BELOW:
                self._texture(texture).use(2)
                program["holed"].value = 1
                program["opacity"].value = material.opacity
            program["model"].write(_bytes(drawable.pose))
            self._mesh(drawable.part)[2].render()
        seen = np.frombuffer(self._silhouette.read(components=1, alignment=1), np.uint8)
        picture = seen.reshape(3 * h, 3 * w)
        inside = picture[h : 2 * h, w : 2 * w]
        return int(np.count_nonzero(inside)), int(np.count_nonzero(picture))

    def _draw_shadow(self, drawables: list[Drawable], shadow: np.ndarray) -> None:
        self._gl.enable(self._moderngl.DEPTH_TEST)
        self._shadow_frame.use()
        self._shadow_frame.clear(depth=1.0)
        self._shadow_program["shadow_matrix"].write(_bytes(shadow))
        for drawable in drawables:
            if drawable.casts_shadow and drawable.part.material.opacity > 0.5:
                self._shadow_program["model"].write(_bytes(drawable.pose))
                self._mesh(drawable.part)[1].render()

    def _set_frame_uniforms(self, camera, light, key, view, view_projection, shadow) -> None:  # type: ignore[no-untyped-def]
        program = self._program
        for name, matrix in (
            ("view", view),
            ("view_projection", view_projection),
            ("shadow_matrix", shadow),
        ):
            program[name].write(_bytes(matrix))
        fill = light.fill_direction / np.linalg.norm(light.fill_direction)
        for name, vector in (
            ("eye", camera.pose[:3, 3]),
            ("key_direction", key),
            ("key_colour", light.key_colour),
            ("fill_direction", fill),
            ("fill_colour", light.fill_colour),
        ):
            program[name].value = tuple(float(v) for v in vector)
        program["ambient"].value = light.ambient
        program["exposure"].value = light.exposure
        program["environment"].value, program["shadow_map"].value = 0, 1
        program["albedo_map"].value = 2

    def _draw(self, drawable: Drawable, transparent: bool) -> None:
        material, program = drawable.part.material, self._program
        texture = drawable.texture if drawable.texture is not None else material.texture
        (self._texture(texture) if texture is not None else self._white).use(2)
        shine = material.shininess
        program["textured"].value = int(texture is not None)
        program["transparent"].value = int(transparent)
        program["instance"].value = drawable.instance
        program["model"].write(_bytes(drawable.pose))
        program["diffuse"].value = (*material.diffuse, max(material.opacity, 0.25))
        program["tint"].value = drawable.tint
        program["specular"].value = float(min(0.3, 0.03 + 0.25 * material.specular))
        program["roughness"].value = float(np.clip(1 - shine / 250, 0.2, 0.95)) if shine else 0.7
        self._mesh(drawable.part)[0].render()

    def _read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        s, shape = self.supersample, (self.height * self.supersample, self.width * self.supersample)
        rgba = np.frombuffer(self._colour.read(), np.uint8).reshape(*shape, 4)
        depth = np.frombuffer(self._depth.read(), np.float32).reshape(shape)[::-1]
        ids = np.frombuffer(self._ids.read(), np.int32).reshape(shape)[::-1]
        rgb = rgba[::-1, :, :3]
        if s > 1:
            blocks = rgb.reshape(self.height, s, self.width, s, 3).astype(np.float32)
            rgb = np.rint(blocks.mean((1, 3))).astype(np.uint8)
            depth, ids = depth[s // 2 :: s, s // 2 :: s], ids[s // 2 :: s, s // 2 :: s]
        return (
            np.ascontiguousarray(rgb),
            np.ascontiguousarray(depth),
            ids & (_UNREADABLE - 1),
            ids >= _UNREADABLE,
        )

    def _mesh(self, part: MeshPart) -> tuple:
        key = id(part)
        if key not in self._meshes:
            rows = np.hstack([part.vertices, part.normals, part.uv]).astype("f4")
            vertices = self._gl.buffer(rows.tobytes())
            indices = self._gl.buffer(part.faces.astype("i4").tobytes())
            drawn = self._gl.vertex_array(
                self._program, [(vertices, "3f 3f 2f", "position", "normal", "uv")], indices
            )
            cast = self._gl.vertex_array(
                self._shadow_program, [(vertices, "3f 20x", "position")], indices
            )
            outlined = self._gl.vertex_array(
                self._silhouette_program,
                [(vertices, "3f 12x 2f", "position", "uv")],
                indices,
            )
            self._meshes[key] = (drawn, cast, outlined, part)
        return self._meshes[key]

    def _texture(self, image: np.ndarray):  # type: ignore[no-untyped-def]
        key = id(image)
        if key not in self._textures:
            flipped = np.ascontiguousarray(image[::-1])
            texture = self._gl.texture((image.shape[1], image.shape[0]), 4, flipped.tobytes())
            texture.build_mipmaps()
            texture.filter = (self._moderngl.LINEAR_MIPMAP_LINEAR, self._moderngl.LINEAR)
            self._textures[key] = (texture, image)
        return self._textures[key][0]

    def _environment(self, radiance: np.ndarray):  # type: ignore[no-untyped-def]
        height, width = radiance.shape[:2]
        texture = self._gl.texture(
            (width, height), 3, np.ascontiguousarray(radiance, "f4").tobytes(), dtype="f4"
        )
        texture.build_mipmaps()
        texture.filter = (self._moderngl.LINEAR_MIPMAP_LINEAR, self._moderngl.LINEAR)
        return texture


def _pose_looking(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """4x4 optical pose at ``eye`` looking at ``target``; safe for a view straight down."""
    forward = np.asarray(target, float) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 1.0, 0.01))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def _view_matrix(optical_pose: np.ndarray) -> np.ndarray:
    """World to OpenGL eye space (x right, y up, z backward) for an optical pose."""
    return np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(optical_pose)


def _projection(k: Intrinsics) -> np.ndarray:
    """OpenGL clip matrix of a pinhole whose pixel centres lie at integer coordinates."""
    m = np.zeros((4, 4))
    m[0, 0], m[0, 2] = 2 * k.fx / k.width, 1 - 2 * (k.cx + 0.5) / k.width
    m[1, 1], m[1, 2] = 2 * k.fy / k.height, 2 * (k.cy + 0.5) / k.height - 1
    m[2, 2] = -(_FAR_M + _NEAR_M) / (_FAR_M - _NEAR_M)
    m[2, 3], m[3, 2] = -2 * _FAR_M * _NEAR_M / (_FAR_M - _NEAR_M), -1
    return m


def _orthographic(radius_m: float) -> np.ndarray:
    near, far = 0.1, 10.0
    m = np.eye(4)
    m[0, 0] = m[1, 1] = 1 / radius_m
    m[2, 2], m[2, 3] = -2 / (far - near), -(far + near) / (far - near)
    return m


def _bytes(matrix: np.ndarray) -> bytes:
    return np.ascontiguousarray(matrix.T.astype("f4")).tobytes()
