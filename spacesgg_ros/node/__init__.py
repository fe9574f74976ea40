"""The ROS 2 side: a lifecycle node around graph and vlm; nothing else imports rclpy."""
