"""A 50 Hz camera that sends valid frames."""

from scenes import camera, noisy_wall

SIZE = (128, 96)
DEPTH, INFRARED = noisy_wall(*SIZE)
CAMERA = camera(*SIZE)


def send_until(robot, condition, what, frame=(DEPTH, INFRARED)):
    """A steady camera of 50 Hz until `condition()`."""

    def step():
        robot.send(*frame, CAMERA)
        robot.spin_for(0.02)
        return condition()

    return robot.wait(step, what)


def step(robot, infrared=INFRARED, camera_info=CAMERA, **how):
    """One frame of a 50 Hz camera."""
    robot.send(DEPTH, infrared, camera_info, **how)
    robot.spin_for(0.02)
